/** A lens under the pointer: the picture's own pixels, at least twice as large as around it. */
import { make } from "./dom.js";

const SIDE = 200;
const TIMES = 2;

/**
 * How far pixels of the picture are apart for steps of one CSS pixel on the lens.
 *
 * @param {number[][]} at where three places are in the picture: one, one to its right, one below it
 * @param {number} ratio device pixels in a CSS pixel
 */
export function lensSteps([origin, right, below], ratio) {
  const across = [right[0] - origin[0], right[1] - origin[1]];
  const down = [below[0] - origin[0], below[1] - origin[1]];
  // Device pixels that a pixel of the picture takes around the lens.
  const size = 1 / (Math.max(Math.hypot(...across), Math.hypot(...down)) * ratio || 1);
  const times = Math.max(TIMES, 1 / size);
  return {
    across: across.map((step) => step / times),
    down: down.map((step) => step / times),
    times,
  };
}

/** Grey level (0 to 255) of a displayed value. */
export function greyOf(value, { range: { lower, upper }, greys, isInverted }) {
  const place = Math.min(1, Math.max(0, (value - lower) / (upper - lower))) * (greys.length - 1);
  const below = greys[Math.floor(place)];
  const level = below + (greys[Math.ceil(place)] - below) * (place - Math.floor(place));
  return Math.round(255 * (isInverted ? 1 - level : level));
}

/**
 * @param {HTMLElement} element the viewport's
 * @param {() => object | undefined} stack
 */
export function createMagnifier(element, stack) {
  const stage = element.parentElement;
  const lens = make("canvas", { className: "lens", hidden: true, "aria-hidden": "true" });
  stage.append(lens);
  let isOn = false;

  function paint(point) {
    const shown = stack()?.look();
    if (!shown) {
      lens.hidden = true;
      return;
    }
    const ratio = window.devicePixelRatio || 1;
    const side = Math.round(SIDE * ratio);
    if (lens.width !== side) lens.width = lens.height = side;
    const [x, y] = point;
    const places = [point, [x + 1, y], [x, y + 1]].map((place) => stack().toPixel(place));
    const { across, down } = lensSteps(places, ratio);
    const context = lens.getContext("2d");
    const image = context.createImageData(side, side);
    const out = new Uint32Array(image.data.buffer);
    const { rows, columns, samples, values } = shown;
    for (let line = 0; line < side; line += 1) {
      for (let at = 0; at < side; at += 1) {
        const [dx, dy] = [(at + 0.5 - side / 2) / ratio, (line + 0.5 - side / 2) / ratio];
        const column = Math.round(places[0][0] + across[0] * dx + down[0] * dy);
        const row = Math.round(places[0][1] + across[1] * dx + down[1] * dy);
        const isInside = column >= 0 && row >= 0 && column < columns && row < rows;
        out[line * side + at] = isInside
          ? colour(values, (row * columns + column) * samples, samples, shown)
          : 0xff000000;
      }
    }
    context.putImageData(image, 0, 0);
    lens.style.left = `${x - SIDE / 2}px`;
    lens.style.top = `${y - SIDE / 2}px`;
    lens.hidden = false;
  }

  function colour(values, first, samples, shown) {
    if (samples > 1) {
      const [red, green, blue] = [values[first], values[first + 1], values[first + 2]];
      return (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
    }
    const grey = greyOf(values[first], shown);
    return (0xff000000 | (grey << 16) | (grey << 8) | grey) >>> 0;
  }

  element.addEventListener("pointermove", (event) => {
    if (!isOn) return;
    const box = element.getBoundingClientRect();
    paint([event.clientX - box.left, event.clientY - box.top]);
  });
  element.addEventListener("pointerleave", () => {
    lens.hidden = true;
  });

  return {
    get isOn() {
      return isOn;
    },
    toggle() {
      isOn = !isOn;
      lens.hidden = true;
      return isOn;
    },
  };
}
