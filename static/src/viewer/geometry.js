/**
 * Planes of pictures in the patient's space. Pure. Places are [x, y, z] in mm (PS3.3 C.7.6.2.1.1), pixels
 * are [column, row], the centre of the first being [0, 0].
 */

import { cross, dot, minus, plus } from "./vectors.js";

const parallelLimit = Math.cos((10 * Math.PI) / 180);
const crossingLimit = Math.cos((5 * Math.PI) / 180);

/**
 * The plane of a frame, undefined where its file does not place it in the patient: no position, no
 * orientation, no distance between pixels, or an animal's or a projection's.
 *
 * @param {object} frame
 * @returns {{origin: number[], row: number[], column: number[], normal: number[], across: number, down:
 *   number, columns: number, rows: number, reference: string} | undefined} `across` and `down` are mm
 *   between columns and between rows
 */
export function planeOf(frame) {
  const { position, orientation, spacing, frameOfReferenceUID } = frame ?? {};
  if (!position || !orientation || spacing.source !== "patient") return undefined;
  return {
    origin: position,
    row: orientation.row,
    column: orientation.column,
    normal: cross(orientation.row, orientation.column),
    across: spacing.column,
    down: spacing.row,
    columns: frame.columns,
    rows: frame.rows,
    reference: frameOfReferenceUID,
  };
}

/** The place of a pixel. */
export function placeOf(plane, [column, row]) {
  return plus(plus(plane.origin, plane.row, column * plane.across), plane.column, row * plane.down);
}

/** The pixel at a place, which is seen along the normal onto the plane. */
export function pixelOf(plane, place) {
  const from = minus(place, plane.origin);
  return [dot(from, plane.row) / plane.across, dot(from, plane.column) / plane.down];
}

export function centreOf(plane) {
  return placeOf(plane, [(plane.columns - 1) / 2, (plane.rows - 1) / 2]);
}

/** How far a place is before the plane, in mm along its normal; negative behind it. */
export function heightOver(plane, place) {
  return dot(minus(place, plane.origin), plane.normal);
}

/** Whether two planes are at most ten degrees apart: near enough to scroll together. */
export function isParallel(a, b) {
  return Math.abs(dot(a.normal, b.normal)) >= parallelLimit;
}

/**
 * The plane nearest to a place.
 *
 * @param {(object | undefined)[]} planes
 * @param {number[]} place
 * @returns {{index: number, distance: number} | undefined} distance in mm, never negative; undefined when
 *   one of the planes is not placed
 */
export function nearestPlane(planes, place) {
  let found;
  for (const [index, plane] of planes.entries()) {
    if (!plane) return undefined;
    const distance = Math.abs(heightOver(plane, place));
    if (!found || distance < found.distance) found = { index, distance };
  }
  return found;
}

/** The usual distance between neighbouring planes in mm, 0 for fewer than two. */
export function stepOf(planes) {
  const steps = planes
    .slice(1)
    .map((plane, at) => Math.abs(heightOver(planes[at], plane.origin)))
    .sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 0;
}

/** What of the line from `a` to `b` lies within the picture, edges of the outer pixels included. */
function within([a, b], { columns, rows }) {
  let [from, to] = [0, 1];
  for (const [axis, count] of [columns, rows].entries()) {
    const way = b[axis] - a[axis];
    const ends = [-0.5 - a[axis], count - 0.5 - a[axis]];
    if (way === 0) {
      if (ends[0] > 0 || ends[1] < 0) return undefined;
      continue;
    }
    const [first, last] = ends.map((end) => end / way).sort((one, other) => one - other);
    from = Math.max(from, first);
    to = Math.min(to, last);
  }
  if (from >= to) return undefined;
  return [from, to].map((t) => [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t]);
}

/**
 * Where the picture of one plane cuts that of another: a line on the second, from edge to edge of what both
 * show.
 *
 * @returns {number[][] | undefined} two pixels of `target`; undefined where they do not meet, are as good as
 *   parallel, or lie in different frames of reference
 */
export function referenceLine(source, target) {
  if (!source || !target || !source.reference || source.reference !== target.reference) {
    return undefined;
  }
  if (Math.abs(dot(source.normal, target.normal)) > crossingLimit) return undefined;
  const [right, bottom] = [source.columns - 0.5, source.rows - 0.5];
  const corners = [
    [-0.5, -0.5],
    [right, -0.5],
    [right, bottom],
    [-0.5, bottom],
  ].map((pixel) => placeOf(source, pixel));
  const heights = corners.map((corner) => heightOver(target, corner));
  const cuts = [];
  for (let at = 0; at < 4; at += 1) {
    const next = (at + 1) % 4;
    if (heights[at] < 0 === heights[next] < 0) continue;
    const t = heights[at] / (heights[at] - heights[next]);
    const place = plus(corners[at], minus(corners[next], corners[at]), t);
    cuts.push(pixelOf(target, place));
  }
  return cuts.length === 2 ? within(cuts, target) : undefined;
}

const planeNames = { 0: "sagittal", 1: "coronal", 2: "axial" };

/** "axial", "coronal" or "sagittal" by the largest part of the normal; "" without an orientation. */
export function planeName(orientation) {
  if (!orientation) return "";
  const sizes = cross(orientation.row, orientation.column).map(Math.abs);
  return planeNames[sizes.indexOf(Math.max(...sizes))];
}
