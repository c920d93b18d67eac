/** What was left on the images, as a list: put into the text, shown, removed. */
import { make, write } from "../viewer/dom.js";
import { keyImageText, leftBy, measurementText, placeText, titleText } from "./placing.js";

/**
 * @param {object} on
 * @param {(place: object) => void} on.show
 * @param {() => boolean} on.mayRemove
 * @param {() => object | undefined} on.form the form where somebody may write
 */
export function createLeft({ root, list, trouble }, store, on) {
  const button = (text, label, act, more = {}) => {
    const element = make("button", {
      type: "button",
      className: "button button-small",
      text,
      "aria-label": label,
      ...more,
    });
    element.addEventListener("click", act);
    return element;
  };

  function actions(entry, what, insert, remove) {
    const parts = [];
    if (on.form()) parts.push(button("Insert", `Insert ${what}`, insert));
    parts.push(button("Show", `Show ${what}`, () => on.show(entry)));
    if (on.mayRemove()) parts.push(button("Remove", `Remove ${what}`, remove));
    return make("span", { className: "left-actions" }, ...parts);
  }

  function facts(entry) {
    const by = entry.author ? leftBy(entry) : "";
    return make("span", {
      className: "left-by muted numbers",
      text: [placeText(entry), store.isPending(entry.id) ? "not saved yet" : by]
        .filter(Boolean)
        .join(" · "),
    });
  }

  function measurementRow(entry) {
    const what = `measurement ${titleText(entry)}`;
    return make(
      "li",
      { className: "left-row", data: { annotation: entry.id } },
      make("span", { className: "left-what numbers", text: titleText(entry) }),
      facts(entry),
      actions(
        entry,
        what,
        () => insertMeasurement(on.form(), entry),
        () => {
          on.form()?.forgetMeasurement(entry.id);
          store.removeMeasurement(entry.id);
        },
      ),
    );
  }

  function keyImageRow(entry, number) {
    const form = on.form();
    const chosen = form?.keyImages().find(({ id }) => id === entry.id);
    const row = make(
      "li",
      { className: "left-row", data: { annotation: entry.id } },
      make("span", { className: "left-what", text: `Key image ${number}` }),
      facts(entry),
      actions(
        entry,
        `key image ${number}`,
        () => insertKeyImage(form, entry, number),
        () => {
          if (form) form.setKeyImages(form.keyImages().filter(({ id }) => id !== entry.id));
          store.removeKeyImage(entry.id);
        },
      ),
    );
    if (form) {
      const box = make("input", { type: "checkbox", checked: Boolean(chosen) });
      box.addEventListener("change", () => {
        const others = form.keyImages().filter(({ id }) => id !== entry.id);
        form.setKeyImages(box.checked ? [...others, { id: entry.id, caption: "" }] : others);
        fill();
      });
      row.append(make("label", { className: "left-in-report" }, box, " in the report"));
      if (chosen) {
        const caption = make("input", {
          className: "field left-caption",
          type: "text",
          maxlength: "200",
          value: chosen.caption,
          placeholder: "Caption",
          "aria-label": `Caption of key image ${number}`,
        });
        caption.addEventListener("input", () =>
          form.setKeyImages(
            form
              .keyImages()
              .map((one) => (one.id === entry.id ? { ...one, caption: caption.value } : one)),
          ),
        );
        row.append(caption);
      }
    }
    return row;
  }

  function fill() {
    const typing =
      list.contains(document.activeElement) && document.activeElement.matches("input[type=text]");
    if (typing) return;
    const rows = [
      ...store.keyImages().map((entry, at) => keyImageRow(entry, at + 1)),
      ...store.measurements().map(measurementRow),
    ];
    const held = list.contains(document.activeElement);
    list.replaceChildren(...rows);
    if (held) list.querySelector("button")?.focus();
    root.hidden = !rows.length && !store.words;
    trouble.hidden = !store.words;
    write(trouble, store.words);
  }

  store.subscribe(fill);
  return { fill };
}

/** Puts a measurement into the text, and among those of the report. */
export function insertMeasurement(form, entry) {
  form.insert(measurementText(entry));
  form.addMeasurement(entry.id);
}

/** Names a key image in the text, and puts it among those of the report. */
export function insertKeyImage(form, entry, number) {
  form.insert(`(${keyImageText(entry, number)})`);
  if (!form.keyImages().some(({ id }) => id === entry.id)) {
    form.setKeyImages([...form.keyImages(), { id: entry.id, caption: entry.caption ?? "" }]);
  }
}
