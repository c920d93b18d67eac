/** Shutters, drawings and words of a presentation state over the picture (PS3.3 C.7.6.11, C.10.5). */
import { svg } from "../dom.js";
import { rescaled } from "../length.js";

const mark = 5;
const lineHeight = 1.3;
const [smallest, largest] = [11, 40];
/** Of a letter, in heights. */
const letter = 0.58;

const colourOf = (colour) => `rgb(${colour.join(" ")})`;
const pathOf = (points) => `M${points.map(([x, y]) => `${x},${y}`).join("L")}`;

/**
 * Where points of a state lie on the canvas.
 *
 * @param {object} frame as displayed; `stored` where it was drawn at another size
 * @param {object | null} area that the state shows
 * @param {(pixel: number[]) => number[]} toCanvas from the middle of the first pixel
 */
export function placing(frame, area, toCanvas) {
  const stored = frame.stored ?? frame;
  const inPixels = ([x, y]) => toCanvas(rescaled([x - 0.5, y - 0.5], stored, frame));
  const [left, top, right, bottom] = area?.edges ?? [0, 0, stored.columns, stored.rows];
  const corners = [inPixels([left, top]), inPixels([right, bottom])];
  const [x1, x2] = corners.map(([x]) => x).sort((a, b) => a - b);
  const [y1, y2] = corners.map(([, y]) => y).sort((a, b) => a - b);
  const inDisplay = ([x, y]) => [x1 + x * (x2 - x1), y1 + y * (y2 - y1)];
  return (point, isPixel) => (isPixel ? inPixels(point) : inDisplay(point));
}

/** The size of letters that fills a box without leaving it. */
export function letterSize(lines, [width, height]) {
  const longest = Math.max(1, ...lines.map(({ length }) => length));
  const fits = Math.min(height / Math.max(1, lines.length) / lineHeight, width / longest / letter);
  return Math.min(largest, Math.max(smallest, Math.floor(fits)));
}

function graphic(
  { is_point: isPoint, points, is_filled: isFilled, in_pixels: inPixels, colour },
  place,
) {
  const placed = points.map((point) => place(point, inPixels));
  const stroke = colourOf(colour);
  if (isPoint) {
    const crosses = placed.map(
      ([x, y]) => `M${x - mark},${y}H${x + mark}M${x},${y - mark}V${y + mark}`,
    );
    return svg("path", { d: crosses.join(""), stroke, class: "state-graphic" });
  }
  const fill = isFilled && placed.length > 2 ? stroke : "none";
  return svg("path", { d: pathOf(placed), stroke, fill, class: "state-graphic" });
}

function words(text, place) {
  const { lines, box, justification, anchor, colour } = text;
  const group = svg("g", { fill: colourOf(colour), class: "state-text" });
  const anchored = anchor && place(anchor, text.anchor_in_pixels);
  let [x, y, size, side] = [anchored?.[0] ?? 8, anchored?.[1] ?? 8, 14, "start"];
  if (box) {
    const corners = box.map((corner) => place(corner, text.box_in_pixels));
    const [left, right] = corners.map(([across]) => across).sort((a, b) => a - b);
    const [top, bottom] = corners.map(([, down]) => down).sort((a, b) => a - b);
    size = letterSize(lines, [right - left, bottom - top]);
    [x, y] = [left, top];
    if (justification === "CENTER") [x, side] = [(left + right) / 2, "middle"];
    if (justification === "RIGHT") [x, side] = [right, "end"];
    if (anchored && text.anchor_visible) {
      const near = [
        Math.min(right, Math.max(left, anchored[0])),
        Math.min(bottom, Math.max(top, anchored[1])),
      ];
      const d = pathOf([near, anchored]);
      group.append(svg("path", { d, stroke: colourOf(colour), class: "state-graphic" }));
    }
  }
  const written = svg("text", { x, y: y + size, "font-size": size, "text-anchor": side });
  for (const [at, line] of lines.entries()) {
    const part = svg("tspan", { x, dy: at ? size * lineHeight : 0 });
    part.textContent = line || " ";
    written.append(part);
  }
  group.append(written);
  return group;
}

/** Covers for what lies outside of each shutter: what remains is inside of all of them. */
function covers({ rectangle, circle, polygon, shade, colour }, isColour, place, [width, height]) {
  const fill = colourOf((isColour && colour) || [shade, shade, shade]);
  const outside = `M0,0H${width}V${height}H0Z`;
  // Edges are pixels, counted from 1, and still seen; the rest are the middles of such pixels.
  const holes = [];
  if (rectangle) {
    const [left, upper, right, lower] = rectangle;
    const empty = left > right || upper > lower;
    const corners = [
      [left - 1, upper - 1],
      [right, upper - 1],
      [right, lower],
      [left - 1, lower],
    ];
    holes.push(empty ? "" : `${pathOf(corners.map((each) => place(each, true)))}Z`);
  }
  if (circle) {
    const [column, row, radius] = circle;
    const around = Array.from({ length: 120 }, (_, at) => {
      const turn = (at * Math.PI) / 60;
      const reach = radius + 0.5;
      return place(
        [column - 0.5 + Math.cos(turn) * reach, row - 0.5 + Math.sin(turn) * reach],
        true,
      );
    });
    holes.push(`${pathOf(around)}Z`);
  }
  if (polygon?.length) {
    const corners = polygon.map(([column, row]) => place([column - 0.5, row - 0.5], true));
    holes.push(`${pathOf(corners)}Z`);
  }
  return holes.map((hole) =>
    svg("path", { d: outside + hole, fill, "fill-rule": "evenodd", class: "state-shutter" }),
  );
}

/** @param {HTMLElement} element the viewport's */
export function createStateLayer(element) {
  const layer = svg("svg", { class: "state-layer", "aria-hidden": "true" });
  element.after(layer);
  return {
    clear() {
      if (layer.firstChild) layer.replaceChildren();
    },
    /** What the state says of the picture on the screen, at its place. */
    draw({ frame, color, state }, toCanvas) {
      if (!state) {
        this.clear();
        return;
      }
      const place = placing(frame, state.area, toCanvas);
      const room = [element.clientWidth, element.clientHeight];
      layer.replaceChildren(
        ...(state.shutter ? covers(state.shutter, color, place, room) : []),
        ...state.graphics.map((one) => graphic(one, place)),
        ...state.texts.map((one) => words(one, place)),
      );
    },
  };
}
