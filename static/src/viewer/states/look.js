/** What a presentation state makes of the values of a frame (PS3.4 N.2.1). Pure. */
import { curveOf } from "../voi.js";

const steps = 1024;
const most = 4096;
const shapes = new Set(["LINEAR", "LINEAR_EXACT", "SIGMOID"]);

const clamped = (value, low, high) => Math.min(high, Math.max(low, value));

/** A table whose first value was written without a sign, as its input has one. */
function signed(table, isSigned) {
  if (!table) return undefined;
  const first = isSigned && table.first > 32767 ? table.first - 65536 : table.first;
  return { ...table, first };
}

const entryOf = ({ first, data }, value) =>
  data[clamped(Math.round(value) - first, 0, data.length - 1)];

/** The smallest and the largest sample that the bits of a frame can hold. */
function samplesOf({ bitsStored = 16, signed: isSigned }) {
  return isSigned
    ? [-(2 ** (bitsStored - 1)), 2 ** (bitsStored - 1) - 1]
    : [0, 2 ** bitsStored - 1];
}

/** The grey of a curve at a value. */
export function greyAt({ range: { lower, upper }, greys }, value) {
  const last = greys.length - 1;
  const place = clamped(((value - lower) / (upper - lower)) * last, 0, last);
  const below = Math.floor(place);
  const above = Math.min(last, below + 1);
  return greys[below] + (greys[above] - greys[below]) * (place - below);
}

function throughTable(curve, { bits, data }) {
  const last = data.length - 1;
  const count = Math.max(steps, curve.greys.length);
  const { lower, upper } = curve.range;
  const greys = Array.from({ length: count }, (_, at) => {
    const grey = greyAt(curve, lower + (at * (upper - lower)) / (count - 1));
    return Math.min(1, data[Math.round(grey * last)] / (2 ** bits - 1));
  });
  return { ...curve, shape: "TABLE", greys };
}

const sameTable = (one, other) =>
  one.first === other.first &&
  one.data.length === other.data.length &&
  one.data.every((value, at) => value === other.data[at]);

/**
 * The curve of a state over the values of a frame as they are displayed, that is, as the frame's own modality
 * transformation makes them.
 *
 * @param {object | null} grey of the state; null where it leaves colours as they are
 * @param {object} frame
 * @returns {{curve?: object, inverted?: boolean, why?: string}} `why`: the greys cannot be had, in words
 */
export function greyLook(grey, frame) {
  if (!grey) return {};
  if (frame.samplesPerPixel > 1 || frame.byServer) {
    return { why: "Its greys are for another kind of image." };
  }
  const modality = signed(grey.modality_table, frame.signed);
  const toModality = (sample) =>
    modality ? entryOf(modality, sample) : sample * grey.slope + grey.intercept;
  const [lowest, highest] = samplesOf(frame);
  const ends = [lowest, highest].map(toModality);
  const whole = { lower: Math.min(...ends), upper: Math.max(...ends) };
  const window = grey.window && {
    ...grey.window,
    shape: shapes.has(grey.window.shape) ? grey.window.shape : "LINEAR",
  };
  const voiTable = signed(grey.voi_table, whole.lower < 0);
  let curve = curveOf({ window, voiTable }, () => whole);
  if (grey.presentation_table) curve = throughTable(curve, grey.presentation_table);
  const inverted = grey.is_inverse;

  if (frame.modalityTable) {
    if (modality && sameTable(modality, frame.modalityTable)) return { curve, inverted };
    return { why: "It takes the stored values for something else than the image does." };
  }
  const { slope, intercept } = frame;
  if (!modality) {
    const moved = (value) => ((value - grey.intercept) / grey.slope) * slope + intercept;
    const [lower, upper] = [moved(curve.range.lower), moved(curve.range.upper)];
    if (lower <= upper) return { curve: { ...curve, range: { lower, upper } }, inverted };
    const greys = [...curve.greys].reverse();
    return { curve: { ...curve, range: { lower: upper, upper: lower }, greys }, inverted };
  }
  const count = Math.min(most, highest - lowest + 1);
  const greys = Array.from({ length: count }, (_, at) =>
    greyAt(curve, toModality(lowest + (at * (highest - lowest)) / (count - 1))),
  );
  const [lower, upper] = [lowest * slope + intercept, highest * slope + intercept];
  return slope > 0
    ? { curve: { shape: "TABLE", range: { lower, upper }, greys }, inverted }
    : {
        curve: { shape: "TABLE", range: { lower: upper, upper: lower }, greys: greys.reverse() },
        inverted,
      };
}
