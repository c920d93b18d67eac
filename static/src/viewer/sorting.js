import { cross, dot } from "./vectors.js";

const sameDirection = 0.9999;
const samePosition = 0.01; // mm

/** Distance of a frame along the normal of its plane in mm, undefined where the file does not place it. */
export function locationOf(frame) {
  if (!frame.orientation || !frame.position) return undefined;
  return dot(frame.position, cross(frame.orientation.row, frame.orientation.column));
}

function parallel(frames) {
  const [first] = frames;
  if (!first?.orientation) return false;
  return frames.every(
    (frame) =>
      frame.orientation &&
      frame.position &&
      dot(frame.orientation.row, first.orientation.row) >= sameDirection &&
      dot(frame.orientation.column, first.orientation.column) >= sameDirection,
  );
}

function byNumber(a, b) {
  const first = a.instanceNumber ?? Number.POSITIVE_INFINITY;
  const second = b.instanceNumber ?? Number.POSITIVE_INFINITY;
  if (first !== second) return first < second ? -1 : 1;
  if (a.sopInstanceUID !== b.sopInstanceUID) return a.sopInstanceUID < b.sopInstanceUID ? -1 : 1;
  return a.frame - b.frame;
}

/**
 * Frames in reading order.
 *
 * Parallel planes at distinct places are sorted by place along their normal, in the direction in which
 * the scanner numbered them. Everything else - projections, localizers in several planes, and series that
 * come back to the same place (phases, echoes, b-values) - keeps the scanner's own InstanceNumber, then
 * the frame number. The result does not depend on the order of the input.
 */
export function sortFrames(frames) {
  const numbered = [...frames].sort(byNumber);
  if (numbered.length < 2 || !parallel(numbered)) return numbered;
  const placed = numbered
    .map((frame, index) => ({ frame, index, location: locationOf(frame) }))
    .sort((a, b) => a.location - b.location || a.index - b.index);
  for (let index = 1; index < placed.length; index += 1) {
    if (placed[index].location - placed[index - 1].location < samePosition) return numbered;
  }
  const middle = (placed.length - 1) / 2;
  const trend = placed.reduce((sum, entry, rank) => sum + (rank - middle) * entry.index, 0);
  if (trend < 0) placed.reverse();
  return placed.map((entry) => entry.frame);
}
