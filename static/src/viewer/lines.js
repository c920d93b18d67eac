/** Lines on a picture where the picture of the active viewport cuts it. */
import { svg } from "./dom.js";
import { referenceLine } from "./geometry.js";

/** The layer of a cell. */
function layerOf(cell) {
  let layer = cell.root.querySelector(":scope > .reference-lines");
  if (!layer) {
    layer = svg("svg", { class: "reference-lines", "aria-hidden": "true" });
    cell.element.after(layer);
  }
  return layer;
}

/** Draws where `source` cuts what the cell shows; without a source, nothing. */
export function drawLine(cell, source) {
  const layer = layerOf(cell);
  const line = source && referenceLine(source, cell.plane());
  if (!line) {
    layer.replaceChildren();
    return;
  }
  const [[x1, y1], [x2, y2]] = line.map((pixel) => cell.stack.toCanvas(pixel));
  const ends = ["reference-under", "reference-line"].map((className) =>
    svg("line", { x1, y1, x2, y2, class: className }),
  );
  layer.replaceChildren(...ends);
}
