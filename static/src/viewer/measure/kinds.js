/**
 * The measuring tools: how they are drawn, where they may be taken hold of, what lines they are made of. Pure.
 *
 * `points` is how many there are ("many" for a line drawn freely), `legs` which point each drag or click sets.
 */
import { acrossLine, corners, ellipsePoints, placeAgainst } from "./geometry.js";

export const kinds = {
  length: { name: "Length", points: 2 },
  bidirectional: { name: "Two diameters", points: 4 },
  angle: { name: "Angle", points: 3 },
  cobb: { name: "Cobb angle", points: 4 },
  ellipse: { name: "Ellipse", points: 2, isRegion: true },
  rectangle: { name: "Rectangle", points: 2, isRegion: true },
  freehand: { name: "Freehand region", points: "many", isRegion: true },
  probe: { name: "Pixel value", points: 1 },
  arrow: { name: "Arrow", points: 2, asks: "text" },
  text: { name: "Text", points: 1, asks: "text" },
  calibration: { name: "Calibrate", points: 2, asks: "length" },
};

export const nameOf = (tool) => kinds[tool]?.name ?? tool;

/** The first points of a drawing that has begun at one. */
export function begun(tool, pixel) {
  if (tool === "probe" || tool === "text") return [pixel];
  return [pixel, pixel];
}

/** Whether a drawing with these points goes on, with the next point set by another click or drag. */
export function goesOn(tool, points) {
  return (tool === "angle" && points.length < 3) || (tool === "cobb" && points.length < 4);
}

/** The drawing with its next leg begun. */
export function nextLeg(tool, points, pixel) {
  return tool === "cobb" ? [...points, pixel, pixel] : [...points, pixel];
}

/** The two diameters from the long one: the short one over its middle, half as long. */
export function withShortAxis([a, b], scale) {
  const long = Math.hypot((b[0] - a[0]) * scale.column, (b[1] - a[1]) * scale.row);
  return [a, b, ...acrossLine([a, b], { along: 0.5, before: long / 4, after: long / 4 }, scale)];
}

/** Places where a measurement may be taken hold of, in pixels. */
export function handlesOf({ tool, points }) {
  if (tool === "rectangle" || tool === "ellipse") return corners(points);
  return tool === "freehand" ? [] : points;
}

/** The points after one handle went to `pixel`. */
export function moved({ tool, points }, handle, pixel, scale) {
  if (tool === "rectangle" || tool === "ellipse") {
    const [[x1, y1], [x2, y2]] = points;
    const [x, y] = pixel;
    const left = handle === 0 || handle === 3;
    const top = handle < 2;
    return [
      [left ? x : x1, top ? y : y1],
      [left ? x2 : x, top ? y2 : y],
    ];
  }
  const next = points.map((point, at) => (at === handle ? pixel : point));
  if (tool !== "bidirectional" || points.length < 4) return next;
  const asides = [2, 3].map((at) => placeAgainst(points, points[at], scale));
  if (handle < 2) {
    const place = { along: asides[0].along, before: -asides[0].aside, after: asides[1].aside };
    return [next[0], next[1], ...acrossLine(next, place, scale)];
  }
  const { along, aside } = placeAgainst(points, pixel, scale);
  const share = Math.min(1, Math.max(0, along));
  const [before, after] = handle === 2 ? [-aside, asides[1].aside] : [-asides[0].aside, aside];
  return [points[0], points[1], ...acrossLine(points, { along: share, before, after }, scale)];
}

/** All points moved by as much. */
export function shifted({ points }, [dx, dy]) {
  return points.map(([x, y]) => [x + dx, y + dy]);
}

/** The lines that a measurement is drawn as, in pixels; closed ones end where they began. */
export function linesOf({ tool, points }) {
  const closed = (line) => [...line, line[0]];
  switch (tool) {
    case "rectangle":
      return [closed(corners(points))];
    case "ellipse":
      return [closed(ellipsePoints(points))];
    case "freehand":
      return points.length > 1 ? [closed(points)] : [];
    case "bidirectional":
    case "cobb":
      return [points.slice(0, 2), points.slice(2, 4)].filter(({ length }) => length === 2);
    case "probe":
    case "text":
      return [];
    default:
      return points.length > 1 ? [points] : [];
  }
}
