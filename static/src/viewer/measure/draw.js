/** Measurements as SVG over the picture. */
import { valueLines } from "../../reports/placing.js";
import { svg } from "../dom.js";
import { handlesOf, linesOf } from "./kinds.js";

const HEAD = 12;
const CROSS = 6;
const LINE = 16;
const BASE = 12;
const LETTER = 8;
const GAP = 10;

const path = (points) => `M${points.map(([x, y]) => `${x},${y}`).join("L")}`;

/** The two strokes of an arrow's head at the first of two points. */
function headOf([tip, tail]) {
  const way = Math.atan2(tail[1] - tip[1], tail[0] - tip[0]);
  const stroke = (turn) => [
    tip[0] + Math.cos(way + turn) * HEAD,
    tip[1] + Math.sin(way + turn) * HEAD,
  ];
  return [stroke(0.45), tip, stroke(-0.45)];
}

function crossAt([x, y]) {
  return [
    [
      [x - CROSS, y],
      [x + CROSS, y],
    ],
    [
      [x, y - CROSS],
      [x, y + CROSS],
    ],
  ];
}

/** The strokes of a measurement on the canvas. */
export function strokesOf(entry, toCanvas) {
  const lines = linesOf(entry).map((line) => line.map(toCanvas));
  if (entry.tool === "arrow" && lines.length) lines.push(headOf(lines[0]));
  if (entry.tool === "probe") lines.push(...crossAt(toCanvas(entry.points[0])));
  return lines;
}

/**
 * @param {object} entry a measurement
 * @param {object} on
 * @param {(pixel: number[]) => number[]} on.toCanvas
 * @param {boolean} on.isSelected
 * @param {number[]} on.room width and height of the canvas
 * @param {object[]} on.taken boxes of labels that are drawn already; this one's is added
 */
export function drawn(entry, { toCanvas, isSelected, room, taken }) {
  const group = svg("g", {
    class: `measure measure-${entry.tool}${isSelected ? " is-selected" : ""}`,
  });
  const strokes = strokesOf(entry, toCanvas);
  for (const stroke of strokes)
    group.append(svg("path", { d: path(stroke), class: "measure-under" }));
  for (const stroke of strokes) group.append(svg("path", { d: path(stroke) }));
  const handles = handlesOf(entry).map(toCanvas);
  if (entry.tool !== "probe" && entry.tool !== "text") {
    for (const [cx, cy] of handles) group.append(svg("circle", { cx, cy, r: 4 }));
  }
  const lines = valueLines(entry);
  if (lines.length) group.append(label(lines, strokes.flat().concat(handles), room, taken));
  if (entry.id) group.dataset.measurement = entry.id;
  return group;
}

/** Places for a label beside a drawing, the best first: right of it, left, below, above. */
export function labelPlaces(places, width, height) {
  const by = (better) => places.reduce((best, place) => (better(place, best) ? place : best));
  const right = by((a, b) => a[0] > b[0]);
  const left = by((a, b) => a[0] < b[0]);
  const low = by((a, b) => a[1] > b[1]);
  const high = by((a, b) => a[1] < b[1]);
  return [
    [right[0] + GAP, right[1] - LINE / 2],
    [left[0] - GAP - width, left[1] - LINE / 2],
    [low[0] - width / 2, low[1] + GAP],
    [high[0] - width / 2, high[1] - GAP - height],
    [right[0] + GAP, right[1] + LINE],
    [right[0] + GAP, right[1] - height - LINE],
  ];
}

/** The first place inside of the room that covers no other label, else the first inside, else the first. */
export function freePlace(candidates, [width, height], [across, down], taken) {
  const box = ([x, y]) => ({ left: x, top: y, right: x + width, bottom: y + height });
  const isInside = ({ left, top, right, bottom }) =>
    left >= 0 && top >= 0 && right <= across && bottom <= down;
  const isFree = (one) =>
    taken.every(
      (other) =>
        one.right <= other.left ||
        one.left >= other.right ||
        one.bottom <= other.top ||
        one.top >= other.bottom,
    );
  const boxes = candidates.map(box);
  const inside = boxes.filter(isInside);
  const found = inside.find(isFree) ?? inside[0] ?? boxes[0];
  taken.push(found);
  return [found.left, found.top];
}

function label(lines, places, room, taken) {
  const size = [Math.max(...lines.map(({ length }) => length)) * LETTER, lines.length * LINE];
  const [x, y] = freePlace(labelPlaces(places, ...size), size, room, taken);
  const text = svg("text", { x, y: y + BASE });
  lines.forEach((line, at) => {
    const part = svg("tspan", { x, dy: at ? LINE : 0 });
    part.textContent = line;
    text.append(part);
  });
  return text;
}
