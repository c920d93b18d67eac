/** What a form says, as the JSON that the server takes. Pure but for the elements it reads. */

/** A key of a label: small letters, digits and underscores, not one of those taken. */
export function keyOf(label, taken) {
  const plain = label
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .replace(/ß/g, "ss")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^[^a-z]+|_+$/g, "")
    .slice(0, 36);
  const start = plain || "part";
  let key = start;
  for (let number = 2; taken.has(key); number += 1) key = `${start}_${number}`;
  taken.add(key);
  return key;
}

/** `"CT, MR"` as a list. */
export const listOf = (text) =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean);

const linesOf = (text) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

function named(root, name) {
  return [...root.querySelectorAll(`[data-name="${name}"]`)].find(
    (element) => element.closest("[data-field], [data-section], form") === root,
  );
}

/** Keys that are there stay; what is new is named after its label. */
function keyed(elements, label) {
  const taken = new Set(elements.map((element) => element.dataset.key).filter(Boolean));
  return elements.map((element) => {
    element.dataset.key ||= keyOf(named(element, label).value, taken);
    return element.dataset.key;
  });
}

function fieldOf(element, key) {
  const value = (name) => named(element, name).value.trim();
  const kind = value("kind");
  const of = { key, label: value("label"), kind, required: named(element, "required").checked };
  if (kind === "choice") of.choices = linesOf(value("choices"));
  if (kind === "number") {
    of.unit = value("unit");
    of.minimum = value("minimum") || null;
    of.maximum = value("maximum") || null;
  }
  of.default = value("default") || null;
  return of;
}

/** What was written; the server cleans it. Read here, and never put into a page by scripts. */
// eslint-disable-next-line no-restricted-properties -- reading is no injection
const htmlOf = (root, name) => root.querySelector(`[data-rich=${name}]`).innerHTML;

function sectionOf(element, key) {
  const fields = [...element.querySelectorAll("[data-field]")];
  const keys = keyed(fields, "label");
  return {
    key,
    title: named(element, "title").value,
    required: named(element, "required").checked,
    html: htmlOf(element, "html"),
    normal: htmlOf(element, "normal"),
    fields: fields.map((field, index) => fieldOf(field, keys[index])),
  };
}

function details(form) {
  const said = {};
  for (const element of form.querySelectorAll("[data-detail]")) {
    said[element.dataset.detail] = element.value;
  }
  for (const element of form.querySelectorAll("[data-detail-list]")) {
    said[element.dataset.detailList] = listOf(element.value);
  }
  return said;
}

/** The form of a template. */
export function template(form) {
  const sections = [...form.querySelectorAll("[data-section]")];
  const keys = keyed(sections, "title");
  return {
    ...details(form),
    body: {
      title: named(form, "title").value,
      sections: sections.map((section, index) => sectionOf(section, keys[index])),
    },
  };
}

/** The form of a macro. */
export function macro(form) {
  const chosen = [...form.querySelectorAll("[data-detail-set=sections]:checked")];
  return {
    ...details(form),
    sections: chosen.map((element) => element.value),
    html: htmlOf(form, "html"),
  };
}
