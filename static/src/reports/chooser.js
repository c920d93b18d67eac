/** A list to choose from: typing filters, arrows move, Enter takes, Escape leaves. */
import { make } from "../viewer/dom.js";

let count = 0;

/**
 * @param {object} options
 * @param {string} options.title
 * @param {{label: string, detail?: string, value: any}[]} options.items
 * @param {string} options.empty what is said where there is nothing to choose
 * @param {HTMLElement} [options.near] the dialog belongs to
 * @returns {Promise<any>} the value chosen, undefined for none
 */
export function choose({ title, items, empty }) {
  count += 1;
  const prefix = `chooser-${count}`;
  const field = make("input", {
    className: "field chooser-filter",
    type: "text",
    role: "combobox",
    autocomplete: "off",
    spellcheck: "false",
    "aria-expanded": "true",
    "aria-controls": `${prefix}-list`,
    "aria-labelledby": `${prefix}-title`,
    placeholder: "Type to filter",
  });
  const list = make("ul", {
    className: "chooser-list",
    id: `${prefix}-list`,
    role: "listbox",
    "aria-labelledby": `${prefix}-title`,
  });
  const nothing = make("p", { className: "chooser-empty muted", role: "status" });
  const dialog = make(
    "dialog",
    { className: "chooser", "aria-labelledby": `${prefix}-title` },
    make("h2", { id: `${prefix}-title`, text: title }),
    items.length ? field : null,
    list,
    nothing,
    make(
      "div",
      { className: "chooser-foot" },
      make(
        "span",
        { className: "muted" },
        make("kbd", { text: "↑" }),
        make("kbd", { text: "↓" }),
        " move ",
        make("kbd", { text: "Enter" }),
        " take ",
        make("kbd", { text: "Esc" }),
        " leave",
      ),
      make("button", { type: "button", className: "button", text: "Cancel", data: { cancel: "" } }),
    ),
  );
  let shown = [];
  let at = 0;

  function mark(next) {
    at = Math.max(0, Math.min(shown.length - 1, next));
    [...list.children].forEach((element, index) => {
      element.setAttribute("aria-selected", String(index === at));
      if (index === at) element.scrollIntoView({ block: "nearest" });
    });
    if (shown.length) field.setAttribute("aria-activedescendant", `${prefix}-${at}`);
    else field.removeAttribute("aria-activedescendant");
  }

  function fill() {
    const words = field.value.trim().toLowerCase().split(/\s+/);
    shown = items.filter(({ label, detail = "" }) =>
      words.every((word) => `${label} ${detail}`.toLowerCase().includes(word)),
    );
    list.replaceChildren(
      ...shown.map(({ label, detail }, index) =>
        make(
          "li",
          { role: "option", id: `${prefix}-${index}`, data: { at: String(index) } },
          make("span", { className: "chooser-label", dir: "auto", text: label }),
          detail
            ? make("span", { className: "chooser-detail muted", dir: "auto", text: detail })
            : null,
        ),
      ),
    );
    list.hidden = !shown.length;
    nothing.textContent = shown.length ? "" : items.length ? "Nothing fits." : empty;
    mark(0);
  }

  return new Promise((resolve) => {
    let chosen;
    const before = document.activeElement;
    const take = (index) => {
      chosen = shown[index]?.value;
      dialog.close();
    };
    field.addEventListener("input", fill);
    dialog.addEventListener("keydown", (event) => {
      event.stopPropagation();
      const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
      if (steps[event.key]) {
        event.preventDefault();
        mark(at + steps[event.key]);
      } else if (event.key === "Enter" && event.target === field) {
        event.preventDefault();
        take(at);
      }
    });
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[data-at]");
      if (option) take(Number(option.dataset.at));
    });
    dialog.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus?.({ preventScroll: true });
      resolve(chosen);
    });
    document.body.append(dialog);
    fill();
    dialog.showModal();
    if (items.length) field.focus();
  });
}
