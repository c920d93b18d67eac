/** The text of one section: an editor of its own. */
import { Editor } from "@tiptap/core";
import { goToNextCell } from "@tiptap/pm/tables";

import { macroExtension, sliceOf } from "./macros.js";
import { extensions } from "./schema.js";

/** A section takes 100 KB on the server; more than this is a mistake of the clipboard. */
export const MOST_PASTED = 90_000;
const MOST_MARKUP = 1_500_000;

/**
 * Markup without styles and scripts. The editor's schema drops them anyway, but the browser complains of
 * each one to the Content-Security-Policy while the markup is parsed.
 */
export function unstyled(html) {
  return html
    .replace(/<(style|script)\b[\s\S]*?<\/\1\s*>/gi, "")
    .replace(/\sstyle\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+)/gi, "");
}

const isEmpty = (html) => html === "<p></p>";

/**
 * @param {HTMLElement} place
 * @param {object} options
 * @param {string} options.key of the section
 * @param {string} options.html
 * @param {string} options.labelledBy
 * @param {string} options.language
 * @param {boolean} options.editable
 * @param {() => object} options.where what macros depend on
 * @param {() => void} options.onChange
 * @param {(words: string) => void} options.say
 */
export function createSection(
  place,
  { key, html, labelledBy, language, editable, where, onChange, say },
) {
  // Where nobody has put the cursor yet, text is added at the end.
  let used = false;
  const editor = new Editor({
    element: place,
    injectCSS: false,
    content: html,
    editable,
    extensions: [...extensions(), macroExtension(() => ({ ...where(), section: key }))],
    editorProps: {
      attributes: {
        role: "textbox",
        "aria-multiline": "true",
        "aria-labelledby": labelledBy,
        "aria-readonly": String(!editable),
        class: "section-text",
        lang: language,
        dir: "auto",
        spellcheck: "true",
        autocapitalize: "sentences",
      },
      handleDOMEvents: {
        // Tab leaves the text; in a table it goes on to the next cell, and out behind the last.
        keydown(view, event) {
          if (event.key !== "Tab" || event.ctrlKey || event.altKey || event.metaKey) return false;
          if (goToNextCell(event.shiftKey ? -1 : 1)(view.state, view.dispatch)) {
            event.preventDefault();
          }
          return true;
        },
      },
      handlePaste(view, event) {
        const text = event.clipboardData?.getData("text/plain") ?? "";
        const markup = event.clipboardData?.getData("text/html") ?? "";
        if (text.length > MOST_PASTED) {
          const kilobytes = Math.round(text.length / 1000);
          say(
            `Nothing was pasted: the clipboard holds ${kilobytes} KB of text, a section takes` +
              ` ${MOST_PASTED / 1000} KB. Copy the part that belongs here.`,
          );
          return true;
        }
        if (markup.length > MOST_MARKUP) {
          view.pasteText(text);
          return true;
        }
        return false;
      },
      transformPastedHTML: unstyled,
      // No picture, no file, nothing from elsewhere dropped into a report.
      handleDrop: (view, event) => Boolean(event.dataTransfer?.files?.length),
    },
    onFocus: () => {
      used = true;
    },
    onUpdate: () => onChange(),
  });

  return {
    key,
    get element() {
      return editor.view.dom;
    },
    html() {
      const written = editor.getHTML();
      return isEmpty(written) ? "" : written;
    },
    /** Shows other text; not a step that undo takes back. */
    replace(next) {
      editor.commands.setContent(next, { emitUpdate: false });
    },
    /** Shows other text, as a step that undo takes back. */
    write(next) {
      const { state } = editor;
      const slice = sliceOf(state.schema, next || "<p></p>");
      editor.view.dispatch(state.tr.replace(0, state.doc.content.size, slice));
    },
    /** Puts text where the cursor is; with a space before it where a word stands. */
    insert(text) {
      if (!used) editor.commands.setTextSelection(editor.state.doc.content.size);
      const { state } = editor;
      const { from, to, $from } = state.selection;
      const before = $from.parent.textBetween(
        Math.max(0, $from.parentOffset - 1),
        $from.parentOffset,
      );
      const after = $from.parent.textBetween(
        $from.parentOffset,
        Math.min($from.parent.content.size, $from.parentOffset + 1),
      );
      const lead = before && !/[\s(]/.test(before) ? " " : "";
      const trail = /[\p{L}\p{N}(]/u.test(after) ? " " : "";
      editor.view.dispatch(
        state.tr.insertText(`${lead}${text}${trail}`, from, to).scrollIntoView(),
      );
      onChange();
    },
    setLanguage(next) {
      editor.view.dom.lang = next;
    },
    /** At once: the editor's own command waits a frame, and keys pressed until then would be lost. */
    focus(at = null) {
      editor.view.focus();
      editor.commands.focus(at);
    },
    hasFocus: () => editor.view.hasFocus(),
    undo: () => editor.commands.undo(),
    redo: () => editor.commands.redo(),
    destroy: () => editor.destroy(),
  };
}
