/**
 * How many pixels of a solid can be drawn in time, from how long the last ones took. Without a graphics card
 * a sharp picture of the whole screen may take seconds. Pure.
 */

const QUICK = 45; // ms a picture while the hand moves
const SHARP = 600; // ms a picture at rest
/** Points on a ray are three times as dense at rest. */
const DENSER = 3;
const LEAST = 96 * 72;

export function createQuality() {
  /** Pixels of a quick picture in a millisecond; unknown before the first. */
  let pace;

  return {
    get isKnown() {
      return pace !== undefined;
    },
    /** @param {number} ms that `pixels` took */
    note(pixels, ms, isQuick) {
      const now = (pixels * (isQuick ? 1 : DENSER)) / Math.max(0.5, ms);
      pace = pace === undefined ? now : pace + 0.5 * (now - pace);
    },
    /** Of the full size of a picture, the part of each side that there is time for. */
    partOf(width, height, isQuick) {
      const full = width * height;
      const possible = pace === undefined ? LEAST : pace * (isQuick ? QUICK : SHARP / DENSER);
      return Math.min(1, Math.sqrt(Math.max(LEAST, possible) / full));
    },
  };
}
