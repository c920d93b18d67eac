/** Where the voxels of a series are in the patient (PS3.3 C.7.6.2.1.1), in mm; +x left, +y posterior, +z head. */

import { cross, dot, plus, scaled } from "../vectors.js";

const SAME_DIRECTION = 0.9999;
const SAME_PLACE = 0.01; // mm
// Of the distance of slices: files round their positions.
const EVEN = 0.25;
const LARGEST = 2 ** 30; // bytes of a volume: 2048 slices of 512 x 512 at 16 bits
const COARSEST = 4; // at most every fourth slice is used

/** Why a series is no volume, in the reader's words. */
export class NoVolume extends Error {}

/**
 * The voxel grid of a series.
 *
 * @param {object[]} frames as frames.js makes them, in any order
 * @param {number} [bytes] of a voxel
 * @returns {{size: number[], origin: number[], steps: number[][], frames: object[], frameOfReferenceUID: string,
 *   every: number, total: number}}
 *   `origin` is the centre of the first voxel, `steps` lead from voxel to voxel along columns, rows and
 *   slices, `frames` are in the order of the slices. A tilted gantry makes `steps` that are not at right angles.
 *   Of a series of `total` slices that is too large for the memory, `every` second, third or fourth is used.
 */
export function gridOf(frames, bytes = 4) {
  const [first] = frames;
  if (!first || frames.length < 3) throw new NoVolume("A volume needs three images at least.");
  if (frames.some(({ samplesPerPixel }) => samplesPerPixel !== 1))
    throw new NoVolume("Images in colour make no volume.");
  if (frames.some(({ byServer }) => byServer))
    throw new NoVolume("Images of this kind are drawn by the server and make no volume.");
  if (frames.some(({ orientation, position }) => !orientation || !position))
    throw new NoVolume("The images do not say where in the body they are.");
  if (frames.some(({ spacing }) => spacing.source !== "patient"))
    throw new NoVolume("The images do not say how far their pixels are apart.");
  const { row, column } = first.orientation;
  const alike = ({ orientation }) =>
    dot(orientation.row, row) >= SAME_DIRECTION &&
    dot(orientation.column, column) >= SAME_DIRECTION;
  if (!frames.every(alike)) throw new NoVolume("The images do not lie parallel.");
  const same = (frame) =>
    frame.rows === first.rows &&
    frame.columns === first.columns &&
    Math.abs(frame.spacing.row - first.spacing.row) < 1e-4 * first.spacing.row &&
    Math.abs(frame.spacing.column - first.spacing.column) < 1e-4 * first.spacing.column;
  if (!frames.every(same)) throw new NoVolume("The images are not of one size.");
  if (frames.some((frame) => frame.frameOfReferenceUID !== first.frameOfReferenceUID))
    throw new NoVolume("The images were not taken with the patient in one place.");
  const normal = cross(row, column);
  const sorted = [...frames].sort((a, b) => dot(a.position, normal) - dot(b.position, normal));
  const last = sorted.at(-1);
  const step = scaled(plus(last.position, sorted[0].position, -1), 1 / (sorted.length - 1));
  const distance = dot(step, normal);
  const places = sorted.map(({ position }) => dot(position, normal));
  if (places.some((place, at) => at > 0 && place - places[at - 1] < SAME_PLACE))
    throw new NoVolume(
      "Several images lie at the same place, as in a series with phases or echoes.",
    );
  const gaps = places.slice(1).map((place, at) => place - places[at]);
  const usual = [...gaps].sort((a, b) => a - b)[Math.floor(gaps.length / 2)];
  if (gaps.some((gap) => gap > 1.6 * usual))
    throw new NoVolume("The slices are not evenly apart: some are missing.");
  sorted.forEach(({ position }, at) => {
    const away = plus(position, plus(sorted[0].position, step, at), -1);
    if (Math.hypot(...away) > EVEN * distance)
      throw new NoVolume("The slices are not evenly apart.");
  });
  const slice = bytes * first.columns * first.rows;
  const every = Math.ceil((slice * sorted.length) / LARGEST);
  const used = sorted.filter((_, at) => at % every === 0);
  if (every > COARSEST || used.length < 3)
    throw new NoVolume(
      `The series is too large: ${Math.ceil((slice * sorted.length) / 2 ** 20)} MB as a volume.`,
    );
  return {
    size: [first.columns, first.rows, used.length],
    origin: sorted[0].position,
    steps: [
      scaled(row, first.spacing.column),
      scaled(column, first.spacing.row),
      scaled(step, every),
    ],
    frames: used,
    frameOfReferenceUID: first.frameOfReferenceUID,
    every,
    total: sorted.length,
  };
}

/** Rows that turn a difference of places in mm into one of voxels: the inverse of the steps. */
export function inverseOf([a, b, c]) {
  const determinant = dot(a, cross(b, c));
  return [cross(b, c), cross(c, a), cross(a, b)].map((row) => scaled(row, 1 / determinant));
}

/** The place of a voxel, which may lie between voxels. */
export function placeOf({ origin, steps }, [i, j, k]) {
  return plus(plus(plus(origin, steps[0], i), steps[1], j), steps[2], k);
}

/** The voxel at a place. */
export function voxelAt({ origin, steps }, place) {
  const away = plus(place, origin, -1);
  return inverseOf(steps).map((row) => dot(row, away));
}

export const centreOf = (grid) =>
  placeOf(
    grid,
    grid.size.map((count) => (count - 1) / 2),
  );

/** Half the length of the grid along a direction, in mm. */
export function reachOf({ size, steps }, direction) {
  return steps.reduce(
    (sum, step, axis) => sum + (size[axis] * Math.abs(dot(step, direction))) / 2,
    0,
  );
}

/** How far the slices of a grid are apart along a direction, in mm. */
export function stepAlong({ steps }, direction) {
  return Math.max(...steps.map((step) => Math.abs(dot(step, direction))));
}

/**
 * The three planes as radiologists look at them: axial from the feet, coronal from the front, sagittal from
 * the left. `right` and `down` are the directions on the screen.
 */
export const planes = {
  axial: { right: [1, 0, 0], down: [0, 1, 0] },
  coronal: { right: [1, 0, 0], down: [0, 0, -1] },
  sagittal: { right: [0, 1, 0], down: [0, 0, -1] },
};

/** Away from the reader. */
export const depthOf = ({ right, down }) => cross(right, down);

/** A direction turned about an axis by an angle in radians. */
export function turned(direction, axis, angle) {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return plus(
    plus(scaled(direction, c), cross(axis, direction), s),
    axis,
    dot(axis, direction) * (1 - c),
  );
}
