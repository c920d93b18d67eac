/** What a template makes of a document. Pure: nothing that somebody wrote is ever taken away. */

const isBlank = (html) => !(html ?? "").replace(/<[^>]*>|&nbsp;|\s/g, "");

function fieldOf(asked, had) {
  const { key, label = key, kind = "text", unit = "" } = asked;
  const value = had?.value ?? asked.default ?? null;
  return { key, label, kind, unit: unit ?? "", value: value === "" ? null : value };
}

/** Fields of the template with the values that are there; of the old ones those that say something. */
function fieldsOf(asked = [], had = []) {
  const known = new Set(asked.map(({ key }) => key));
  return [
    ...asked.map((field) =>
      fieldOf(
        field,
        had.find(({ key }) => key === field.key),
      ),
    ),
    ...had.filter(({ key, value }) => !known.has(key) && value !== null && value !== ""),
  ];
}

/**
 * The document under another template. Text stays; empty sections get the template's.
 *
 * @param {object} content
 * @param {{id: number, version: number, name: string, language: string, body: object}} template
 */
export function withTemplate(content, { id, version, name, language, body }) {
  const left = new Map(content.sections.map((section) => [section.key, section]));
  const sections = body.sections.map((asked) => {
    const had = left.get(asked.key);
    left.delete(asked.key);
    return {
      key: asked.key,
      title: asked.title || had?.title || asked.key,
      html: had && !isBlank(had.html) ? had.html : (asked.html ?? ""),
      fields: fieldsOf(asked.fields, had?.fields),
    };
  });
  for (const section of left.values()) {
    const said = section.fields.some(({ value }) => value !== null && value !== "");
    if (!isBlank(section.html) || said) sections.push(section);
  }
  return {
    ...content,
    title: body.title || content.title,
    language: language || content.language,
    template: { id, version, name },
    sections,
  };
}

/**
 * The normal report: the template's normal text wherever nothing was written.
 *
 * @returns {{content: object, filled: string[], kept: string[]}} titles of sections
 */
export function withNormal(content, body) {
  const asked = new Map(body.sections.map((section) => [section.key, section]));
  const filled = [];
  const kept = [];
  const sections = content.sections.map((section) => {
    const { normal, html, fields } = asked.get(section.key) ?? {};
    if (!normal) return section;
    const untouched = isBlank(section.html) || section.html === html;
    (untouched ? filled : kept).push(section.title);
    if (!untouched) return section;
    return { ...section, html: normal, fields: fieldsOf(fields, section.fields) };
  });
  return { content: { ...content, sections }, filled, kept };
}

/** `Findings, Impression` or `Findings and 3 more`. */
export function listed(titles) {
  return titles.length > 3
    ? `${titles.slice(0, 2).join(", ")} and ${titles.length - 2} more`
    : titles.join(", ");
}
