/** Measuring and capturing on the images: an overlay of its own over the viewport. */
import { valueText } from "../reports/placing.js";
import { distanceTo, isAtDetector, lengthOf, rescaled } from "./length.js";
import { Tag, numbers, text } from "./tags.js";
import { rangeWindow } from "./voi.js";

const NEAR = 8;
const SHORTEST = 4;
const svg = (name, attributes = {}) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

/**
 * @param {HTMLElement} element the viewport's
 * @param {object} world
 * @param {() => object | undefined} world.stack
 * @param {() => string} world.series its SeriesInstanceUID
 * @param {object} world.store measurements and key images
 * @param {() => boolean} world.may whether the person may leave anything
 * @param {(words: string) => void} world.say
 * @param {object} world.on `keyImageKept(id)`, `measurementRemoved(id)`
 */
export function createMarking(element, { stack, series, store, may, say, on }) {
  const stage = element.parentElement;
  const layer = svg("svg", { class: "measures", "aria-hidden": "true" });
  element.after(layer);
  let shown;
  let measuring = false;
  let selected;
  let drag;

  const sizeOf = ({ rows, columns }) => ({ rows, columns });
  const stored = () => shown.frame.stored ?? shown.frame;

  /** From a place on the canvas to a pixel of the stored frame, and back. */
  const toPixel = (point) =>
    rescaled(stack().toPixel(point), sizeOf(shown.frame), sizeOf(stored()));
  const toCanvas = (pixel) =>
    stack().toCanvas(rescaled(pixel, sizeOf(stored()), sizeOf(shown.frame)));

  const here = (entry) =>
    shown &&
    entry.sop_instance_uid === shown.frame.sopInstanceUID &&
    entry.frame === shown.frame.frame;
  const current = () => store.measurements().filter(here);

  function placeOf() {
    const { frame } = shown;
    return {
      series_instance_uid: series(),
      sop_instance_uid: frame.sopInstanceUID,
      frame: frame.frame,
    };
  }

  /** What the list shows until the server has answered. */
  function factsOf() {
    const { frame } = shown;
    return {
      series_number: numbers(frame.dataset, Tag.SeriesNumber)?.[0] ?? null,
      instance_number: frame.instanceNumber ?? null,
      frames: frame.frames,
    };
  }

  function bodyOf(points) {
    const { frame } = shown;
    const { value, unit } = lengthOf(points, stored().spacing);
    const imager = numbers(frame.dataset, Tag.ImagerPixelSpacing, 2);
    const calibration = text(frame.dataset, Tag.PixelSpacingCalibrationType);
    return {
      ...placeOf(),
      tool: "length",
      points,
      values: [{ name: "length", value, unit }],
      at_detector: unit === "mm" && isAtDetector({ ...frame, ...stored() }, imager, calibration),
    };
  }

  function drawOne(entry) {
    const [[x1, y1], [x2, y2]] = entry.points.map(toCanvas);
    const group = svg("g", { class: `measure${entry.id === selected ? " is-selected" : ""}` });
    const ends = { x1, y1, x2, y2 };
    group.append(svg("line", { ...ends, class: "measure-under" }), svg("line", ends));
    for (const [cx, cy] of [
      [x1, y1],
      [x2, y2],
    ]) {
      group.append(svg("circle", { cx, cy, r: 4 }));
    }
    const right = x1 > x2 ? [x1, y1] : [x2, y2];
    const roomy = right[0] + 90 < element.clientWidth;
    const label = svg("text", {
      x: right[0] + (roomy ? 10 : -10),
      y: right[1] + 4,
      "text-anchor": roomy ? "start" : "end",
    });
    label.textContent = valueText(entry);
    group.append(label);
    group.dataset.measurement = entry.id;
    layer.append(group);
  }

  function draw() {
    layer.replaceChildren();
    if (!shown || !stack()) return;
    for (const entry of current()) if (entry.id !== drag?.id) drawOne(entry);
    if (drag?.points) drawOne({ id: drag.id, ...bodyOf(drag.points) });
  }

  function nearest(point) {
    let best;
    for (const entry of current()) {
      const ends = entry.points.map(toCanvas);
      const end = ends.findIndex(([x, y]) => Math.hypot(x - point[0], y - point[1]) <= NEAR);
      const distance = end >= 0 ? 0 : distanceTo(point, ...ends);
      if (distance <= NEAR && (!best || distance < best.distance)) best = { entry, end, distance };
    }
    return best;
  }

  const pointOf = (event) => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  function down(event) {
    if (!measuring || event.button !== 0 || !shown) return;
    const point = pointOf(event);
    const found = nearest(point);
    selected = found?.entry.id;
    if (found && (found.end < 0 || !may())) {
      draw();
      return;
    }
    if (!may()) {
      say("Only radiologists of the study's site measure.");
      return;
    }
    element.setPointerCapture(event.pointerId);
    const pixel = toPixel(point);
    drag = found
      ? { id: found.entry.id, points: found.entry.points, end: found.end, from: point }
      : { id: crypto.randomUUID(), points: [pixel, pixel], end: 1, from: point };
    selected = drag.id;
    draw();
  }

  function move(event) {
    if (!drag) return;
    const pixel = toPixel(pointOf(event));
    drag.points = drag.points.map((one, at) => (at === drag.end ? pixel : one));
    draw();
  }

  function up(event) {
    if (!drag) return;
    const { id, points, from } = drag;
    const [x, y] = pointOf(event);
    drag = undefined;
    if (Math.hypot(x - from[0], y - from[1]) >= SHORTEST) {
      store.saveMeasurement(id, bodyOf(points), factsOf());
    }
    draw();
  }

  element.addEventListener("pointerdown", down);
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", () => {
    drag = undefined;
    draw();
  });
  store.subscribe(draw);

  return {
    /** A picture is on the screen, or its place on it has changed. */
    shown(next) {
      if (shown?.frame !== next.frame) {
        drag = undefined;
        selected = undefined;
      }
      shown = next;
      draw();
    },
    hidden() {
      shown = undefined;
      drag = undefined;
      layer.replaceChildren();
    },
    setMeasuring(now) {
      measuring = now;
      stage.classList.toggle("is-measuring", now);
    },
    /** Keeps the picture that is shown, with its window. */
    capture() {
      if (!shown) return;
      if (!may()) {
        say("Only radiologists of the study's site keep key images.");
        return;
      }
      const again = store.keyImages().find(here);
      if (again) {
        const at = store.keyImages().indexOf(again) + 1;
        say(`This image is key image ${at} already.`);
        on.keyImageKept(again.id);
        return;
      }
      const { center, width } = shown.color ? {} : rangeWindow(shown.range, shown.shape);
      const id = crypto.randomUUID();
      const body = {
        ...placeOf(),
        caption: "",
        window_center: center ?? null,
        window_width: width ?? null,
        is_inverted: shown.inverted,
      };
      store.saveKeyImage(id, body, factsOf()).then((answer) => {
        if (answer?.kind !== "ok") {
          say(store.words || "The key image could not be kept.");
          return;
        }
        say(`Key image ${store.keyImages().length}`);
        on.keyImageKept(id);
      });
    },
    /** Removes the measurement that is selected. */
    removeSelected() {
      const entry = current().find(({ id }) => id === selected);
      if (!entry || !may()) return;
      selected = undefined;
      on.measurementRemoved(entry.id);
      store.removeMeasurement(entry.id);
    },
    select(id) {
      selected = id;
      draw();
    },
  };
}
