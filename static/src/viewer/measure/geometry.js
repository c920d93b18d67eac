/**
 * Lengths, angles and areas on a picture. Pure. Points are [column, row] in pixels of the frame as it is
 * stored, the centre of the first pixel being [0, 0]; `scale` says how far two rows and two columns are
 * apart, in any unit.
 */

const vector = ([x1, y1], [x2, y2], { row, column }) => [(x2 - x1) * column, (y2 - y1) * row];
const degrees = (radians) => (radians * 180) / Math.PI;

export function distance(from, to, scale) {
  return Math.hypot(...vector(from, to, scale));
}

function between([ax, ay], [bx, by]) {
  return Math.abs(degrees(Math.atan2(ax * by - ay * bx, ax * bx + ay * by)));
}

/** The angle at the second of three points, 0 to 180 degrees. */
export function angleAt([first, corner, last], scale) {
  return between(vector(corner, first, scale), vector(corner, last, scale));
}

/** The smaller angle of two lines, 0 to 90 degrees (Cobb). */
export function angleOfLines([a, b, c, d], scale) {
  const angle = between(vector(a, b, scale), vector(c, d, scale));
  return Math.min(angle, 180 - angle);
}

/** The area inside of a closed line (shoelace), in square units. */
export function areaOf(points, { row, column }) {
  let twice = 0;
  points.forEach(([x1, y1], at) => {
    const [x2, y2] = points[(at + 1) % points.length];
    twice += x1 * y2 - x2 * y1;
  });
  return (Math.abs(twice) / 2) * row * column;
}

/** The area of the box, or of the ellipse in it, between two opposite corners. */
export function boxArea([[x1, y1], [x2, y2]], { row, column }, isEllipse) {
  const area = Math.abs((x2 - x1) * column * (y2 - y1) * row);
  return isEllipse ? (area * Math.PI) / 4 : area;
}

/** Two opposite corners of the box around points. */
export function extent(points) {
  const [across, down] = [points.map(([x]) => x), points.map(([, y]) => y)];
  return [
    [Math.min(...across), Math.min(...down)],
    [Math.max(...across), Math.max(...down)],
  ];
}

/** The four corners of a box, from two opposite ones. */
export function corners([[x1, y1], [x2, y2]]) {
  return [
    [x1, y1],
    [x2, y1],
    [x2, y2],
    [x1, y2],
  ];
}

/** Points of the ellipse in a box, in order. */
export function ellipsePoints([[x1, y1], [x2, y2]], count = 64) {
  return Array.from({ length: count }, (_, at) => {
    const angle = (2 * Math.PI * at) / count;
    return [
      (x1 + x2) / 2 + (Math.cos(angle) * (x2 - x1)) / 2,
      (y1 + y2) / 2 + (Math.sin(angle) * (y2 - y1)) / 2,
    ];
  });
}

/**
 * The short axis over a long one: where it was in the long one's share, as far to either side, at a right
 * angle as the scale has it.
 *
 * @param {{along: number, before: number, after: number}} place share of the long axis, and distances from it
 */
export function acrossLine([a, b], { along, before, after }, scale) {
  const [x, y] = vector(a, b, scale);
  const length = Math.hypot(x, y) || 1;
  const foot = [a[0] + (b[0] - a[0]) * along, a[1] + (b[1] - a[1]) * along];
  const step = [-y / length / scale.column, x / length / scale.row];
  const at = (far) => [foot[0] + step[0] * far, foot[1] + step[1] * far];
  return [at(-before), at(after)];
}

/** Where a point is against a line: its share along, and how far to the side (right-handed). */
export function placeAgainst([a, b], point, scale) {
  const [x, y] = vector(a, b, scale);
  const [px, py] = vector(a, point, scale);
  const length2 = x * x + y * y || 1;
  return { along: (px * x + py * y) / length2, aside: (x * py - y * px) / Math.sqrt(length2) };
}

/** At most `most` points of a line, those that say least left out (Visvalingam). */
export function thinned(points, most) {
  const kept = [...points];
  const bend = (at) => {
    const [a, b, c] = [kept[at - 1], kept[at], kept[at + 1]];
    return Math.abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]));
  };
  while (kept.length > most) {
    let least = 1;
    for (let at = 2; at < kept.length - 1; at += 1) if (bend(at) < bend(least)) least = at;
    kept.splice(least, 1);
  }
  return kept;
}
