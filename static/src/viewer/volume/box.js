/** The upright box about a volume, with voxels few enough for the graphics card. Pure. */
import { cross, dot, plus, scaled, unit } from "../vectors.js";
import { placeOf } from "./geometry.js";

/** Of 4 bytes, here and once more on the graphics card. */
export const mostVoxels = (navigator_ = globalThis.navigator) =>
  ((navigator_?.deviceMemory ?? 8) < 8 ? 16 : 48) * 2 ** 20;

/**
 * A box at right angles about a grid. A grid that already is one, and small enough, is its own box; another
 * - a tilted gantry, too many voxels - is to be sampled anew.
 *
 * @param {object} grid as geometry.js makes it
 * @param {number} [most] voxels
 * @returns {{size: number[], origin: number[], ways: number[][], spacing: number[], isTilted: boolean,
 *   isCoarser: boolean}} `ways` are unit directions, `spacing` is in mm
 */
export function boxOf({ size, steps, origin }, most = mostVoxels()) {
  const [across, along] = [unit(steps[0]), unit(steps[1])];
  const ways = [across, along, cross(across, along)];
  const isTilted = Math.abs(dot(unit(steps[2]), ways[2])) < 0.9999;
  const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((corner) =>
    placeOf(
      { origin, steps },
      size.map((count, axis) => ((corner >> axis) & 1 ? count - 1 : 0)),
    ),
  );
  const reach = ways.map((way) => {
    const places = corners.map((corner) => dot(corner, way));
    return [Math.min(...places), Math.max(...places)];
  });
  const finest = steps.map((step, axis) => Math.abs(dot(step, ways[axis])));
  const sizeAt = (spacing) =>
    reach.map(([from, to], axis) => Math.round((to - from) / spacing[axis]) + 1);
  let spacing = finest;
  const isTooLarge = () => sizeAt(spacing).reduce((product, count) => product * count) > most;
  // The finest direction first: voxels become more even before they become coarser.
  for (let even = Math.min(...finest); isTooLarge(); even *= 1.02)
    spacing = finest.map((own) => Math.max(own, even));
  const start = ways.reduce((place, way, axis) => plus(place, way, reach[axis][0]), [0, 0, 0]);
  return {
    size: sizeAt(spacing),
    origin: start,
    ways,
    spacing,
    isTilted,
    isCoarser: spacing.some((each, axis) => each > finest[axis] * 1.001),
  };
}

export const middleOf = ({ size, origin, ways, spacing }) =>
  ways.reduce(
    (place, way, axis) => plus(place, way, ((size[axis] - 1) / 2) * spacing[axis]),
    origin,
  );

/** The plane of each slice of a box, for resample.js. */
export function planesOf(box) {
  const [width, height, depth] = box.size;
  const [right, down, away] = box.ways;
  const middle = middleOf(box);
  return Array.from({ length: depth }, (_, k) => ({
    centre: plus(middle, scaled(away, (k - (depth - 1) / 2) * box.spacing[2])),
    right,
    down,
    mm: box.spacing[0],
    tall: box.spacing[1],
    width,
    height,
  }));
}
