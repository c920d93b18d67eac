/** Lines on a picture where the picture of the active viewport cuts it. */
import { referenceLine } from "./geometry.js";

const name = "http://www.w3.org/2000/svg";

/** The layer of a cell. */
function layerOf(cell) {
  let layer = cell.root.querySelector(":scope > .reference-lines");
  if (!layer) {
    layer = document.createElementNS(name, "svg");
    layer.setAttribute("class", "reference-lines");
    layer.setAttribute("aria-hidden", "true");
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
  const ends = ["reference-under", "reference-line"].map((className) => {
    const element = document.createElementNS(name, "line");
    for (const [key, value] of Object.entries({ x1, y1, x2, y2, class: className })) {
      element.setAttribute(key, value);
    }
    return element;
  });
  layer.replaceChildren(...ends);
}
