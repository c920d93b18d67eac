/** How the voxels of a series are kept: 16 bits where all frames share one scale, else floats. Pure. */
import { displayedPadding } from "../voi.js";

const kinds = {
  Int16Array: { bytes: 2, least: -32768, most: 32767 },
  Uint16Array: { bytes: 2, least: 0, most: 65535 },
  Float32Array: { bytes: 4, least: -Infinity, most: Infinity },
};
const arrays = { Int16Array, Uint16Array, Float32Array };

const floats = { type: "Float32Array", slope: 1, intercept: 0, hole: Number.NaN };

/** A value that was stored as such does not fit: the header promised others. */
export class Misfit extends Error {}

/**
 * @param {object[]} frames of the series
 * @returns {{type: string, slope: number, intercept: number, hole: number | undefined}} what is kept times
 *   `slope` plus `intercept` is the value as displayed; `hole` stands for "no picture here"
 */
export function encodingOf(frames) {
  const [first] = frames;
  const isSame = (key) => frames.every((frame) => frame[key] === first[key]);
  const isPlain =
    frames.every(({ bitsAllocated, modalityTable }) => bitsAllocated <= 16 && !modalityTable) &&
    ["slope", "intercept", "signed", "padding", "paddingLimit"].every(isSame);
  if (!isPlain) return { ...floats };
  const { slope, intercept, padding } = first;
  const type = first.signed ? "Int16Array" : "Uint16Array";
  const { least, most } = kinds[type];
  return padding === undefined || (padding >= least && padding <= most)
    ? { type, slope, intercept, hole: padding }
    : { ...floats };
}

export const bytesOf = ({ type }) => kinds[type].bytes;

/** @throws {RangeError} where there is not enough memory */
export const roomFor = ({ type }, count) => new arrays[type](count);

/** Displayed values of a frame that are none; rounding included. */
export function holesOf(frame) {
  const padding = frame.modalityTable ? undefined : displayedPadding(frame);
  if (!padding) return undefined;
  const half = Math.abs(frame.slope) / 2;
  return { from: padding.from - half, to: padding.to + half };
}

/**
 * Puts displayed values where they are kept.
 *
 * @param {ArrayLike<number>} values as displayed
 * @param {{from: number, to: number}} [holes]
 * @param {object} encoding
 * @param {object} into a typed array of the encoding, as long as `values`
 * @throws {Misfit}
 */
export function encode(values, holes, { type, slope, intercept, hole }, into) {
  const { least, most } = kinds[type];
  const isFloat = type === "Float32Array";
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at];
    if (holes && value > holes.from && value < holes.to) {
      into[at] = hole;
    } else if (isFloat) {
      into[at] = value;
    } else {
      const stored = Math.round((value - intercept) / slope);
      if (stored < least || stored > most || (holes && stored === hole)) throw new Misfit();
      into[at] = stored;
    }
  }
}

/** What was kept one way, kept as floats. */
export function asFloats(kept, { slope, intercept, hole }) {
  return {
    encoding: { ...floats },
    values: Float32Array.from(kept, (value) =>
      value === hole ? Number.NaN : value * slope + intercept,
    ),
  };
}
