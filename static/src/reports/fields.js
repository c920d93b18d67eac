/** Structured fields of a section: real form controls above its text. */
import { make } from "../viewer/dom.js";
import { numberOf, objection } from "./numbers.js";

/** What a template says of a field, the document's own field where the template is gone. */
function wanted(field, asked) {
  return { choices: [], required: false, minimum: null, maximum: null, ...asked, ...field };
}

function control({ kind, choices, value, label, required }, id) {
  const shown = value === null || value === undefined ? "" : String(value);
  if (kind === "choice" && choices?.length) {
    const select = make("select", { className: "field", id, "aria-required": String(required) });
    const values = choices.map((choice) => String(choice?.value ?? choice));
    const offered = shown && !values.includes(shown) ? [shown, ...values] : values;
    select.append(make("option", { value: "", text: "–" }));
    for (const each of offered) select.append(make("option", { value: each, text: each }));
    select.value = shown;
    return select;
  }
  return make("input", {
    className: kind === "number" ? "field field-number" : "field",
    id,
    type: "text",
    value: shown,
    inputmode: kind === "number" ? "decimal" : "text",
    autocomplete: "off",
    maxlength: kind === "number" ? "24" : "2000",
    spellcheck: kind === "text" ? "true" : "false",
    "aria-required": String(required),
    "aria-label": label ? undefined : "Value",
  });
}

/**
 * @param {object[]} fields of the document's section
 * @param {object[]} asked the template's fields, [] where it is not there any more
 * @param {object} options
 * @param {string} options.prefix of ids
 * @param {boolean} options.editable
 * @param {string} options.language
 * @param {() => void} options.onChange
 */
export function createFields(fields, asked, { prefix, editable, language, onChange }) {
  const rows = fields.map((field, at) => {
    const known = wanted(
      field,
      asked.find(({ key }) => key === field.key),
    );
    const id = `${prefix}-${at}`;
    const input = control(known, id);
    input.disabled = !editable;
    input.lang = language;
    const label = make("label", { for: id }, known.label || known.key);
    if (known.required) {
      label.append(make("span", { className: "field-required", text: " required" }));
    }
    const trouble = make("span", {
      className: "field-trouble",
      id: `${id}-trouble`,
      role: "status",
    });
    const row = make(
      "div",
      { className: `report-field report-field-${known.kind}` },
      label,
      make(
        "span",
        { className: "report-field-value" },
        input,
        known.unit ? make("span", { className: "report-unit", text: known.unit }) : null,
      ),
      trouble,
    );
    const check = () => {
      const words = known.kind === "number" ? objection(input.value, known) : "";
      trouble.textContent = words;
      input.setAttribute("aria-invalid", String(Boolean(words)));
      if (words) input.setAttribute("aria-describedby", trouble.id);
      else input.removeAttribute("aria-describedby");
    };
    input.addEventListener("input", () => {
      check();
      onChange();
    });
    check();
    return { field, known, input, row };
  });

  return {
    rows: rows.map(({ row }) => row),
    /** The fields as the document keeps them. What is no number is not kept, and said beside it. */
    values: () =>
      rows.map(({ field, known, input }) => {
        const text = input.value.trim();
        const value = known.kind === "number" ? numberOf(text).value : text || null;
        const { key, label = "", kind, unit = "" } = field;
        return { key, label, kind, unit: unit ?? "", value };
      }),
    first: () => rows[0]?.input,
  };
}
