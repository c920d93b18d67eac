/** Two versions of one draft, section by section. Pure. */

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** Title and order from mine, then whatever only they have. */
function keysOf(mine, theirs) {
  const keys = mine.sections.map(({ key }) => key);
  for (const { key } of theirs.sections) if (!keys.includes(key)) keys.push(key);
  return keys;
}

const sectionOf = (content, key) => content.sections.find((section) => section.key === key);

/**
 * The sections in which the two differ.
 *
 * @returns {{key: string, title: string, mine?: object, theirs?: object}[]}
 */
export function differences(mine, theirs) {
  return keysOf(mine, theirs)
    .map((key) => {
      const [a, b] = [sectionOf(mine, key), sectionOf(theirs, key)];
      return { key, title: (a ?? b).title || key, mine: a, theirs: b };
    })
    .filter(({ mine: a, theirs: b }) => !same([a?.html, a?.fields], [b?.html, b?.fields]));
}

/** Fields of both: mine where they have a value, theirs otherwise. */
function bothFields(mine = [], theirs = []) {
  const fields = mine.map((field) => {
    const other = theirs.find(({ key }) => key === field.key);
    const empty = field.value === null || field.value === undefined || field.value === "";
    return empty && other ? { ...field, value: other.value } : field;
  });
  const known = new Set(fields.map(({ key }) => key));
  return [...fields, ...theirs.filter(({ key }) => !known.has(key))];
}

function bothOf(mine, theirs) {
  if (!mine || !theirs) return mine ?? theirs;
  const html = mine.html === theirs.html ? mine.html : `${theirs.html}${mine.html}`;
  return { ...mine, html, fields: bothFields(mine.fields, theirs.fields) };
}

function union(mine, theirs, keyOf) {
  const known = new Set(mine.map(keyOf));
  return [...mine, ...theirs.filter((each) => !known.has(keyOf(each)))];
}

/**
 * One document of two. `choices` says for each section that differs "mine", "theirs" or "both" (their
 * text, then mine). Key images and measurements of both are kept.
 */
export function merged(mine, theirs, choices) {
  const sections = keysOf(mine, theirs).map((key) => {
    const [a, b] = [sectionOf(mine, key), sectionOf(theirs, key)];
    if (choices[key] === "theirs") return b ?? a;
    if (choices[key] === "both") return bothOf(a, b);
    return a ?? b;
  });
  return {
    ...mine,
    sections,
    key_images: union(mine.key_images ?? [], theirs.key_images ?? [], ({ id }) => id),
    measurements: union(mine.measurements ?? [], theirs.measurements ?? [], (id) => id),
  };
}
