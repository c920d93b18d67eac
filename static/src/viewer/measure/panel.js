/** The study's measurements as a list: shown, named, removed. */
import { leftBy, placeText, titleText } from "../../reports/placing.js";
import { make, write } from "../dom.js";
import { bodyOf, factsOf } from "./history.js";
import { nameOf } from "./kinds.js";

/**
 * @param {HTMLElement} list
 * @param {object} world
 * @param {object} world.store
 * @param {(entry: object) => void} world.show
 * @param {() => boolean} world.may
 * @param {(words: string) => void} world.say
 * @param {(id: string) => void} world.removed
 * @param {HTMLElement} world.count
 * @param {HTMLInputElement} world.visible
 */
export function createMeasurementList(list, { store, show, may, say, removed, count, visible }) {
  let naming;

  const button = (text, label, act) => {
    const element = make("button", {
      type: "button",
      className: "viewer-button",
      text,
      "aria-label": label,
    });
    element.addEventListener("click", (event) => {
      event.stopPropagation();
      act();
    });
    return element;
  };

  function nameField(entry) {
    const input = make("input", {
      className: "mark-input",
      type: "text",
      maxlength: "120",
      value: entry.label,
      "aria-label": "Name",
    });
    const end = (keep) => {
      if (naming !== entry.id) return;
      naming = undefined;
      const label = input.value.trim();
      if (keep && label !== entry.label && (label || entry.tool !== "text")) {
        store.saveMeasurement(entry.id, { ...bodyOf(entry), label }, factsOf(entry));
      }
      fill();
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") end(true);
      if (event.key === "Escape") end(false);
    });
    input.addEventListener("blur", () => end(true));
    return input;
  }

  function row(entry) {
    const what = titleText(entry);
    const facts = [
      placeText(entry),
      store.isPending(entry.id) ? "not saved yet" : entry.author && leftBy(entry),
    ];
    const actions = [button("Show", `Show ${what}`, () => show(entry))];
    if (may() && store.isMine(entry)) {
      actions.push(
        button("Name", `Name ${what}`, () => {
          naming = entry.id;
          fill();
          list.querySelector("input")?.focus();
        }),
      );
    }
    if (may()) {
      actions.push(
        button("Remove", `Remove ${what}`, () => {
          removed(entry.id);
          store.removeMeasurement(entry.id);
          say(store.isMine(entry) ? "Removed" : `Removed what ${entry.author.name} measured`);
        }),
      );
    }
    return make(
      "li",
      { data: { measurement: entry.id } },
      make("span", { className: "list-tool", text: nameOf(entry.tool) }),
      naming === entry.id
        ? nameField(entry)
        : make("span", { className: "list-what numbers", text: what }),
      make("span", { className: "list-by numbers", text: facts.filter(Boolean).join(" · ") }),
      make("span", { className: "list-actions" }, ...actions),
    );
  }

  function fill() {
    const entries = store.measurements();
    write(count, entries.length ? String(entries.length) : "");
    visible.checked = store.visible;
    if (naming && list.querySelector("input")?.matches(":focus")) return;
    const held = document.activeElement?.closest?.("[data-measurement]")?.dataset.measurement;
    list.replaceChildren(
      ...(entries.length
        ? entries.map(row)
        : [make("li", { className: "list-none", text: "Nothing has been measured." })]),
    );
    if (held) list.querySelector(`[data-measurement="${held}"] button`)?.focus();
  }

  visible.addEventListener("change", () => store.setVisible(visible.checked));
  store.subscribe(fill);
  fill();
  return { fill };
}
