/** Windows: how stored or rescaled values become grey (PS3.3 C.11.2). */

/** How far a sigmoid is drawn, in widths on either side of its centre: 1/3000 is left beyond. */
const sigmoidReach = 2;
const most = 4096;

/** Value range of a window. LINEAR counts the half steps of PS3.3 C.11.2.1.2.1, the others do not. */
export function windowRange({ center, width, shape = "LINEAR" }) {
  if (shape === "SIGMOID") {
    return { lower: center - sigmoidReach * width, upper: center + sigmoidReach * width };
  }
  if (shape === "LINEAR_EXACT" || width < 1) {
    return { lower: center - width / 2, upper: center + width / 2 };
  }
  const lower = center - 0.5 - (width - 1) / 2;
  // A width of one is a step; the renderer needs a slope.
  return { lower, upper: Math.max(lower + 0.001, center - 0.5 + (width - 1) / 2) };
}

/** The window that a value range stands for. */
export function rangeWindow({ lower, upper }, shape = "LINEAR") {
  const center = (lower + upper) / 2;
  if (shape === "SIGMOID") return { width: (upper - lower) / (2 * sigmoidReach), center };
  if (shape === "LINEAR") return { width: upper - lower + 1, center: center + 0.5 };
  return { width: upper - lower, center };
}

/**
 * What a file asks for: greys from 0 to 1 at even steps over a range of values; below and above, the first
 * and the last. Where a table and a window are offered, the table (PS3.3 C.11.2.1).
 *
 * @param {object} frame
 * @param {() => {lower: number, upper: number}} otherwise range of a frame that asks for nothing
 * @returns {{shape: string, range: {lower: number, upper: number}, greys: number[]}}
 */
export function curveOf({ window, voiTable }, otherwise) {
  if (voiTable) return tableCurve(voiTable);
  if (!window) return { shape: "LINEAR", range: otherwise(), greys: [0, 1] };
  const range = windowRange(window);
  if (window.shape !== "SIGMOID") return { shape: window.shape, range, greys: [0, 1] };
  const last = 1023;
  const greys = Array.from({ length: last + 1 }, (_, at) => {
    const widths = sigmoidReach * ((2 * at) / last - 1);
    return 1 / (1 + Math.exp(-4 * widths));
  });
  return { shape: "SIGMOID", range, greys };
}

/** A table without the level stretches at its ends, at no more places than the renderer can take. */
function tableCurve({ first, bits, data }) {
  const last = data.length - 1;
  let from = 0;
  while (from < last && data[from + 1] === data[0]) from += 1;
  let to = last;
  while (to > from && data[to - 1] === data[last]) to -= 1;
  if (to === from) to = from + 1;
  const top = 2 ** bits - 1;
  const length = Math.min(most, to - from + 1);
  const greys = Array.from({ length }, (_, at) => {
    const place = from + (at * (to - from)) / (length - 1);
    const below = data[Math.min(last, Math.floor(place))];
    const above = data[Math.min(last, Math.ceil(place))];
    return Math.min(1, (below + (above - below) * (place - Math.floor(place))) / top);
  });
  return { shape: "TABLE", range: { lower: first + from, upper: first + to }, greys };
}

/** The same at the places of a range, as nodes of a colour transfer function. */
export function nodesOf({ greys }, { lower, upper }, invert) {
  const step = (upper - lower) / (greys.length - 1);
  return greys.map((grey, at) => {
    const level = invert ? 1 - grey : grey;
    const x = lower + at * step;
    return { x, r: level, g: level, b: level, midpoint: 0.5, sharpness: 0 };
  });
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
