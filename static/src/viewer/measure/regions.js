/** Regions of an ultrasound picture and what they are measured in (PS3.3 C.8.5.5). Pure. */
import { Tag, items, number } from "../tags.js";

/** Physical units by their code (PS3.3 C.8.5.5.1.15): our unit, and how many of it one is. */
const units = {
  3: ["mm", 10],
  4: ["s", 1],
  5: ["Hz", 1],
  7: ["cm/s", 1],
};
/** What a distance along an axis is called. */
export const along = { mm: "distance", s: "time", Hz: "frequency", "cm/s": "velocity" };

const axis = (item, unitTag, deltaTag) => {
  const delta = number(item, deltaTag);
  const [unit, times] = units[number(item, unitTag)] ?? [];
  return unit && delta ? { unit, delta: Math.abs(delta) * times } : undefined;
};

/**
 * @returns {{left, top, right, bottom: number, isLow: boolean, x?: {unit, delta}, y?: {unit, delta}}[]} edges are
 *   the first and last pixel inside; `x` and `y` are absent where the unit is none that we measure in
 */
export function regionsOf(dataset) {
  return items(dataset, Tag.SequenceOfUltrasoundRegions).flatMap((item) => {
    const [left, top, right, bottom] = [
      Tag.RegionLocationMinX0,
      Tag.RegionLocationMinY0,
      Tag.RegionLocationMaxX1,
      Tag.RegionLocationMaxY1,
    ].map((tag) => number(item, tag));
    if ([left, top, right, bottom].includes(undefined) || right < left || bottom < top) return [];
    return [
      {
        left,
        top,
        right,
        bottom,
        isLow: ((number(item, Tag.RegionFlags) ?? 0) & 1) === 1,
        x: axis(item, Tag.PhysicalUnitsXDirection, Tag.PhysicalDeltaX),
        y: axis(item, Tag.PhysicalUnitsYDirection, Tag.PhysicalDeltaY),
      },
    ];
  });
}

const holds =
  ({ left, top, right, bottom }) =>
  ([x, y]) =>
    x >= left - 0.5 && x <= right + 0.5 && y >= top - 0.5 && y <= bottom + 0.5;

const sameAxis = (a, b) => a?.unit === b?.unit && a?.delta === b?.delta;

/**
 * The region that all points are in. Where regions lie on one another, those of high priority count
 * (C.8.5.5.1.3).
 *
 * @returns {object | "outside" | "crossing" | "several"} "several": they contradict one another
 */
export function regionAt(regions, points) {
  const of = (point) => {
    const found = regions.filter((region) => holds(region)(point));
    return found.some(({ isLow }) => !isLow) ? found.filter(({ isLow }) => !isLow) : found;
  };
  const each = points.map(of);
  if (each.every((found) => !found.length)) return "outside";
  const common = each.reduce((some, found) => some.filter((region) => found.includes(region)));
  if (!common.length) return "crossing";
  const [first, ...others] = common;
  const agree = others.every(({ x, y }) => sameAxis(x, first.x) && sameAxis(y, first.y));
  return agree ? first : "several";
}
