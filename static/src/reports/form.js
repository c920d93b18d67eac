/** The document as a form: for each section its fields, then its text. */
import { make } from "../viewer/dom.js";
import { createFields } from "./fields.js";
import { createSection } from "./section.js";

let count = 0;

/**
 * @param {HTMLElement} root
 * @param {object} options
 * @param {() => object[]} options.macros
 * @param {() => string[]} options.modalities
 * @param {(key: string) => object | undefined} options.asked the template's section
 * @param {() => void} options.onChange
 * @param {(words: string) => void} options.say
 */
export function createForm(root, { macros, modalities, asked, onChange, say }) {
  let base = {};
  let parts = [];
  let editable = false;
  let last;

  const empty = { sections: [], key_images: [], measurements: [] };

  function build(section, at) {
    count += 1;
    const id = `report-section-${count}`;
    const title = section.title || section.key;
    const { language = "en" } = base;
    const template = asked(section.key);
    const fields = createFields(section.fields ?? [], template?.fields ?? [], {
      prefix: `${id}-field`,
      editable,
      language,
      onChange,
    });
    const heading = make("h3", { id, text: title });
    if (template?.required) {
      heading.append(make("span", { className: "field-required", text: " required" }));
    }
    const place = make("div", { className: "section-place" });
    const element = make(
      "section",
      { className: "report-section", "aria-labelledby": id, data: { section: section.key } },
      heading,
      fields.rows.length ? make("div", { className: "report-fields" }, ...fields.rows) : null,
      place,
    );
    root.insertBefore(element, root.children[at] ?? null);
    const text = createSection(place, {
      key: section.key,
      html: section.html ?? "",
      labelledBy: id,
      language,
      editable,
      where: () => ({ macros: macros(), modalities: modalities(), language: base.language }),
      onChange,
      say,
    });
    const part = { key: section.key, title: section.title ?? "", element, fields, text };
    element.addEventListener("focusin", () => {
      last = part;
    });
    return part;
  }

  function clear() {
    for (const { text } of parts) text.destroy();
    root.replaceChildren();
    parts = [];
    last = undefined;
  }

  function show(content, { editable: may }) {
    clear();
    editable = may;
    base = { ...empty, ...content };
    parts = base.sections.map((section, at) => build(section, at));
  }

  const currentPart = () =>
    parts.find(({ element }) => element.contains(document.activeElement)) ?? last;

  return {
    show,
    clear,
    get isEditable() {
      return editable;
    },
    get isEmpty() {
      return !parts.length;
    },
    content: () => ({
      v: 1,
      title: base.title ?? "",
      language: base.language ?? "en",
      template: base.template ?? null,
      sections: parts.map(({ key, title, fields, text }) => ({
        key,
        title,
        html: text.html(),
        fields: fields.values(),
      })),
      key_images: base.key_images,
      measurements: base.measurements,
    }),
    template: () => base.template,
    keyImages: () => base.key_images ?? [],
    setKeyImages(next) {
      base.key_images = next;
      onChange();
    },
    addMeasurement(id) {
      if (!base.measurements.includes(id)) base.measurements = [...base.measurements, id];
      onChange();
    },
    forgetMeasurement(id) {
      base.measurements = base.measurements.filter((one) => one !== id);
      onChange();
    },

    /**
     * Makes the form say `content`. Texts that change are steps that undo takes back, as long as the
     * sections are the same.
     */
    apply(content) {
      const keys = (sections) => sections.map(({ key }) => key).join();
      if (keys(content.sections) !== keys(parts)) {
        show(content, { editable });
        onChange();
        return;
      }
      base = { ...base, ...content };
      parts = parts.map((part, at) => {
        const next = content.sections[at];
        const fieldsBefore = JSON.stringify(part.fields.values());
        if (JSON.stringify(next.fields) === fieldsBefore) {
          if (next.html !== part.text.html()) part.text.write(next.html);
          return part;
        }
        const html = part.text.html();
        part.text.destroy();
        part.element.remove();
        const fresh = build({ ...next, html }, at);
        if (next.html !== html) fresh.text.write(next.html);
        return fresh;
      });
      onChange();
    },

    /** Puts text where the cursor is, or was; else at the end of the findings. */
    insert(text) {
      const part = currentPart() ?? parts.find(({ key }) => key === "findings") ?? parts[0];
      if (!part) return;
      const field = document.activeElement;
      if (part.element.contains(field) && field.matches("input.field:not(.field-number)")) {
        field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
        field.dispatchEvent(new Event("input", { bubbles: true }));
        return;
      }
      part.text.insert(text);
      part.text.focus();
    },

    /** The next section's first control, or the previous one's; round the ends. */
    step(by) {
      if (!parts.length) return;
      const at = parts.indexOf(currentPart());
      const next = parts[(at + by + parts.length) % parts.length];
      (next.fields.first() ?? next.text.element).focus();
      next.element.scrollIntoView({ block: "nearest" });
    },

    /** Where writing begins: the findings, else the first section. */
    focus() {
      const part = currentPart() ?? parts.find(({ key }) => key === "findings") ?? parts[0];
      part?.text.focus(last ? null : "end");
    },

    /** Everything as plain text, to be copied. */
    text: () =>
      parts
        .map(({ title, key, fields, text }) => {
          const said = fields
            .values()
            .filter(({ value }) => value !== null)
            .map(({ label, key: name, value, unit }) =>
              `${label || name}: ${value} ${unit}`.trim(),
            );
          return [title || key, ...said, text.element.innerText.trim()].filter(Boolean).join("\n");
        })
        .join("\n\n"),
  };
}
