/** Windows: how stored or rescaled values become grey (PS3.3 C.11.2). */

/** Value range of a window. LINEAR counts the half steps of PS3.3 C.11.2.1.2.1, the others do not. */
export function windowRange({ center, width, shape = "LINEAR" }) {
  if (shape === "LINEAR_EXACT" || shape === "SIGMOID" || width < 1) {
    return { lower: center - width / 2, upper: center + width / 2 };
  }
  return { lower: center - 0.5 - (width - 1) / 2, upper: center - 0.5 + (width - 1) / 2 };
}

/** The window that a value range stands for. */
export function rangeWindow({ lower, upper }, shape = "LINEAR") {
  const width = upper - lower + (shape === "LINEAR" ? 1 : 0);
  return { width, center: (lower + upper + (shape === "LINEAR" ? 1 : 0)) / 2 };
}

/**
 * Smallest and largest value of a picture without its padding.
 *
 * @param {ArrayLike<number>} pixels
 * @param {{from: number, to: number}} [padding] values that stand for "no picture here"
 */
export function valueRange(pixels, padding) {
  let lower = Number.POSITIVE_INFINITY;
  let upper = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < pixels.length; index += 1) {
    const value = pixels[index];
    if (padding && value >= padding.from && value <= padding.to) continue;
    if (value < lower) lower = value;
    if (value > upper) upper = value;
  }
  if (lower > upper) return { lower: 0, upper: 1 };
  return lower === upper ? { lower, upper: lower + 1 } : { lower, upper };
}

/** Padding of a frame in the values that are displayed, undefined when it has none (PS3.3 C.7.5.1.1.2). */
export function displayedPadding({ padding, paddingLimit = padding, slope, intercept }) {
  if (padding === undefined) return undefined;
  const ends = [padding, paddingLimit].map((value) => value * slope + intercept);
  return { from: Math.min(...ends), to: Math.max(...ends) };
}

/** Values of a lookup table applied to pixels; values outside take the first or last entry (C.11.1.1). */
export function applyTable(pixels, { first, data }) {
  const last = data.length - 1;
  const result = new Uint16Array(pixels.length);
  for (let index = 0; index < pixels.length; index += 1) {
    result[index] = data[Math.min(last, Math.max(0, pixels[index] - first))];
  }
  return result;
}
