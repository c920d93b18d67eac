/** Macros: which one an abbreviation stands for. Pure. */

const LONGEST = 24;

/**
 * The macro that has just been typed: the word before a space.
 *
 * @param {string} text what stands before the cursor, the space included
 * @param {object[]} macros `{abbreviation, html, sections, modalities, language}`; the first that fits
 * @param {{section?: string, modalities?: string[], language?: string}} [where]
 * @returns {{macro: object, length: number} | undefined} `length`: of the abbreviation and the space
 */
export function typed(text, macros, { section = "", modalities = [], language = "" } = {}) {
  if (!/[ \u00a0]$/.test(text)) return undefined;
  const word = /[^\s([„"]+$/.exec(text.slice(0, -1))?.[0];
  if (!word || word.length > LONGEST) return undefined;
  const macro = macros.find(
    (each) =>
      each.abbreviation === word &&
      (!each.sections?.length || each.sections.includes(section)) &&
      (!each.modalities?.length || each.modalities.some((one) => modalities.includes(one))) &&
      (!each.language || !language || each.language.split("-")[0] === language.split("-")[0]),
  );
  return macro && { macro, length: word.length + 1 };
}

/** Whether the macro's markup is one paragraph of text: it goes into the line. */
export function isInline(html) {
  const body = html
    .trim()
    .replace(/^<p>/, "")
    .replace(/<\/p>$/, "");
  return !/<(p|ul|ol|table|br)\b/i.test(body);
}
