/** Measurements as SVG over the picture. */
import { valueLines } from "../../reports/placing.js";
import { handlesOf, linesOf } from "./kinds.js";

const HEAD = 12;
const CROSS = 6;
const LINE = 16;

export const svg = (name, attributes = {}, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};

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
 * @param {number} on.room width of the canvas
 */
export function drawn(entry, { toCanvas, isSelected, room }) {
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
  if (lines.length) group.append(label(lines, strokes.flat().concat(handles), room));
  if (entry.id) group.dataset.measurement = entry.id;
  return group;
}

function label(lines, places, room) {
  const right = places.reduce((best, place) => (place[0] > best[0] ? place : best));
  const left = places.reduce((best, place) => (place[0] < best[0] ? place : best));
  const longest = Math.max(...lines.map(({ length }) => length)) * 8;
  const roomy = right[0] + 12 + longest < room || left[0] < longest;
  const [x, y] = roomy ? [right[0] + 10, right[1]] : [left[0] - 10, left[1]];
  const text = svg("text", { x, y: y + 4, "text-anchor": roomy ? "start" : "end" });
  lines.forEach((line, at) => {
    const part = svg("tspan", { x, dy: at ? LINE : 0 });
    part.textContent = line;
    text.append(part);
  });
  return text;
}
