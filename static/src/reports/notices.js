/** Notices of the report panel: one for each subject, in words, with what can be done. */
import { make } from "../viewer/dom.js";

/** @param {HTMLElement} root */
export function createNotices(root) {
  const shown = new Map();

  function clear(subject) {
    shown.get(subject)?.remove();
    shown.delete(subject);
  }

  return {
    clear,
    /**
     * @param {string} subject a later notice of it replaces this one
     * @param {string} words
     * @param {object} [options]
     * @param {"" | "warn" | "stat" | "ok"} [options.kind]
     * @param {{text: string, act?: () => void, href?: string}[]} [options.actions]
     * @param {number} [options.milliseconds] until it goes by itself; 0: never
     */
    say(subject, words, { kind = "", actions = [], milliseconds = 0 } = {}) {
      const before = shown.get(subject);
      if (before?.dataset.words === words) return;
      const buttons = actions.map(({ text, act, href }) => {
        if (href) return make("a", { className: "button", href, target: "_blank", text });
        const button = make("button", { type: "button", className: "button", text });
        button.addEventListener("click", act);
        return button;
      });
      const note = make(
        "div",
        {
          className: `notice ${kind && `notice-${kind}`}`.trim(),
          data: { words, notice: subject },
        },
        make("span", { text: words }),
        ...buttons,
      );
      if (before) before.replaceWith(note);
      else root.append(note);
      shown.set(subject, note);
      if (milliseconds) {
        setTimeout(() => shown.get(subject) === note && clear(subject), milliseconds);
      }
    },
  };
}
