/** Directions and places of three numbers. Pure. */

export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];
export const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
/** `a` moved along `way` by `times` of its length. */
export const plus = (a, way, times = 1) => [
  a[0] + way[0] * times,
  a[1] + way[1] * times,
  a[2] + way[2] * times,
];
export const scaled = (a, factor) => [a[0] * factor, a[1] * factor, a[2] * factor];
export const unit = (a) => scaled(a, 1 / Math.hypot(...a));
