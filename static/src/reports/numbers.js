/** Numbers as people write them, and as the document keeps them. Pure. */

const written = /^[+-]?\d{1,12}([.,]\d{1,9})?$/;
const grouped = /^[+-]?[1-9]\d{0,2},\d{3}$/;

/**
 * A number with a decimal point or comma. `1,234` could be either: it is none.
 *
 * @returns {{value: number | null, wrong: boolean}} null where nothing is written
 */
export function numberOf(text) {
  const plain = text.trim().replace("−", "-");
  if (plain === "") return { value: null, wrong: false };
  if (!written.test(plain) || grouped.test(plain)) return { value: null, wrong: true };
  return { value: Number(plain.replace(",", ".")), wrong: false };
}

/** Why a number is not taken, "" where it is. */
export function objection(text, { minimum = null, maximum = null } = {}) {
  const { value, wrong } = numberOf(text);
  if (wrong) return "A number such as 12.5";
  if (value === null) return "";
  if (minimum !== null && value < minimum) return `At least ${minimum}`;
  if (maximum !== null && value > maximum) return `At most ${maximum}`;
  return "";
}
