/** Macros expand while somebody types, dictates or pastes; undo takes the expansion back. */
import { Extension } from "@tiptap/core";
import { DOMParser, Fragment, Slice } from "@tiptap/pm/model";
import { closeHistory } from "@tiptap/pm/history";
import { Plugin } from "@tiptap/pm/state";

import { isInline, typed } from "./expansion.js";

/** Markup as a slice; parsed in a document that loads and runs nothing. */
export function sliceOf(schema, html) {
  const body = new window.DOMParser().parseFromString(html, "text/html").body;
  const slice = DOMParser.fromSchema(schema).parseSlice(body);
  if (!isInline(html)) return slice;
  const first = slice.content.firstChild;
  return first?.isTextblock ? new Slice(first.content, 0, 0) : slice;
}

/**
 * @param {() => {macros: object[], section: string, modalities: string[], language: string}} where
 */
export function macroExtension(where) {
  return Extension.create({
    name: "macros",
    addProseMirrorPlugins() {
      return [
        new Plugin({
          props: {
            handleTextInput(view, from, to, text) {
              if (!/[ \u00a0]$/.test(text)) return false;
              const { macros, ...place } = where();
              const { state } = view;
              const $from = state.doc.resolve(from);
              const before = $from.parent.textBetween(0, $from.parentOffset, undefined, "\ufffc");
              const found = typed(before + text, macros, place);
              if (!found) return false;
              const { html } = found.macro;
              // First what was typed, as a step of its own: undo comes back to it.
              view.dispatch(state.tr.insertText(text, from, to));
              const end = from + text.length;
              const start = end - found.length;
              const slice = sliceOf(view.state.schema, html);
              const expansion = closeHistory(view.state.tr);
              if (slice.openStart === 0 && slice.content.firstChild?.isInline) {
                const space = view.state.schema.text(" ");
                const inline = new Slice(slice.content.append(Fragment.from(space)), 0, 0);
                expansion.replaceRange(start, end, inline);
              } else {
                expansion.replaceRange(start, end, slice);
              }
              view.dispatch(expansion.scrollIntoView());
              return true;
            },
          },
        }),
      ];
    },
  });
}
