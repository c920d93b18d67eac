import { svg } from "../dom.js";

/** A line of whole millimetres at the lower right of a picture, with its length. */
export function scaleBar(width, height, mm) {
  const length = [200, 100, 50, 20, 10, 5, 2, 1].find((each) => each / mm < width / 3) ?? 1;
  const [right, bottom] = [width - 14, height - 16];
  const line = svg("line", {
    class: "volume-scale",
    x1: right - length / mm,
    y1: bottom,
    x2: right,
    y2: bottom,
  });
  const words = svg("text", {
    class: "volume-scale-text",
    x: right,
    y: bottom - 6,
    "text-anchor": "end",
  });
  words.textContent = `${length} mm`;
  return [line, words];
}
