/** Axial, coronal and sagittal planes through a series, with crosshairs that move and turn them. */
import { make, write } from "../dom.js";
import {
  NoVolume,
  centreOf,
  depthOf,
  planes,
  reachOf,
  stepAlong,
  turned,
  voxelAt,
} from "./geometry.js";
import { plus } from "../vectors.js";
import { createFusion } from "./fusion.js";
import { createView } from "./view.js";
import { createVolume } from "./volume.js";

const SHARP_AFTER = 140;
const DRAW_EVERY = 300;
const SLAB_MOST = 60;
const AGAIN = 5000;
const TRIES = 12;
const fresh = () => structuredClone(planes);
const unitOf = ({ modality, rescaleType }) =>
  modality === "CT" && ["", "HU", undefined].includes(rescaleType) ? "HU" : (rescaleType ?? "");

/**
 * @param {HTMLElement} stage that it covers
 * @param {object} options
 * @param {{frame: object, imageId: string}[]} options.entries of the series
 * @param {(imageId: string) => Promise<ArrayLike<number>>} options.load
 * @param {{lower: number, upper: number}} options.range the window to begin with
 * @param {boolean} options.isInverted
 * @param {string} options.label of the series
 * @param {{label: string, entries: () => Promise<object[]>}[]} options.over what can be laid over it
 * @param {() => void} options.onClose
 */
export function openMpr(stage, { entries, load, range, isInverted, label, over, onClose }) {
  let volume;
  try {
    volume = createVolume(entries, load);
  } catch (error) {
    if (error instanceof NoVolume) return { refused: error.message };
    throw error;
  }
  const { grid } = volume;
  const middle = centreOf(grid);
  const first = { range: { ...range }, isInverted };
  const world = {
    volume,
    middle,
    place: middle,
    ways: fresh(),
    range: { ...range },
    isInverted,
    slab: { mm: 0, how: "mip" },
    frames: {},
    over: undefined,
    unit: unitOf(entries[0].frame),
    finest: Math.min(...grid.steps.map((step) => Math.hypot(...step))),
    reach: (direction) => reachOf(grid, direction),
  };
  const names = Object.keys(planes);
  const views = [false, true].flatMap((isAlone) =>
    names.map((name) => createView(name, world, isAlone)),
  );
  const status = make("p", { className: "volume-status", role: "status" });
  const thickness = make("input", {
    type: "range",
    min: "0",
    max: String(SLAB_MOST),
    step: "1",
    value: "0",
    "aria-label": "Slab thickness in millimetres",
  });
  const thick = make("output", { className: "numbers", text: "0 mm" });
  const how = make(
    "select",
    { className: "field", "aria-label": "What a slab shows" },
    make("option", { value: "mip", text: "Maximum (MIP)" }),
    make("option", { value: "minip", text: "Minimum (MinIP)" }),
    make("option", { value: "average", text: "Average" }),
  );
  const button = (text, key, onPress) => {
    const made = make(
      "button",
      { className: "viewer-button", type: "button" },
      `${text} `,
      make("kbd", { text: key }),
    );
    made.addEventListener("click", onPress);
    return made;
  };
  const fusion = over.length
    ? createFusion(world, { choices: over, load, draw: () => draw(), repaint, onBeside })
    : undefined;
  const panel = make(
    "div",
    { className: "volume-panel" },
    make("h2", { text: "Planes" }),
    make("p", { className: "volume-label", text: label }),
    status,
    make("label", { className: "volume-slab" }, "Slab ", thickness, thick),
    make("label", { className: "volume-slab" }, "Shows ", how),
    fusion?.root,
    make(
      "dl",
      { className: "volume-help" },
      ...[
        ["Drag", "crosshairs"],
        ["Knobs", "turn the planes"],
        ["Right drag", "window"],
        ["Middle drag", "move the picture"],
        ["Wheel, ↑ ↓", "through the plane"],
        ["Ctrl + wheel, + −", "zoom"],
        ["Double click", "one plane large"],
        ...(fusion ? [["[ ]", "opacity of the PET"]] : []),
      ].flatMap(([key, does]) => [make("dt", { text: key }), make("dd", { text: does })]),
    ),
    make(
      "div",
      { className: "volume-actions" },
      button("Reset", "R", reset),
      button("Invert", "I", invert),
      button("Close", "Esc", close),
    ),
  );
  const root = make(
    "section",
    { className: "volume", "aria-label": "Planes through the series" },
    ...views.map((view) => view.root),
    panel,
  );
  stage.append(root);

  let frame = 0;
  let timer = 0;
  let again = 0;
  let active = views[0];
  let drag;

  const shownViews = () => views.filter((view) => view.root.offsetParent);

  /** Draws soon; while the hand moves only as sharply as there is time for. */
  function draw(isMoving = false) {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    for (const view of views) delete view.root.dataset.sharp;
    frame = requestAnimationFrame(() => {
      for (const view of shownViews()) view.draw(isMoving);
      if (isMoving) timer = setTimeout(draw, SHARP_AFTER);
    });
  }

  function repaint() {
    for (const view of shownViews()) view.repaint();
  }

  function onBeside(isBeside) {
    root.classList.toggle("has-beside", isBeside);
    delete root.dataset.large;
    resize();
  }

  function reset() {
    world.place = middle;
    world.ways = fresh();
    world.range = { ...first.range };
    world.isInverted = first.isInverted;
    world.slab.mm = 0;
    thickness.value = "0";
    write(thick, "0 mm");
    for (const view of views) view.fit();
    draw();
  }

  function invert() {
    world.isInverted = !world.isInverted;
    repaint();
  }

  function close() {
    volume.close();
    fusion?.close();
    watcher.disconnect();
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    clearTimeout(again);
    document.removeEventListener("keydown", onKey, true);
    root.remove();
    onClose();
  }

  function scroll(view, steps) {
    const away = depthOf(world.ways[view.name]);
    const next = plus(world.place, away, steps * stepAlong(grid, away));
    const inside = voxelAt(grid, next).every(
      (value, axis) => value > -0.5 && value < grid.size[axis] - 0.5,
    );
    if (!inside) return;
    world.place = next;
    draw(true);
  }

  function turn(view, angle) {
    const axis = depthOf(world.ways[view.name]);
    for (const [name, { right, down }] of Object.entries(world.ways)) {
      if (name === view.name) continue;
      world.ways[name] = { right: turned(right, axis, angle), down: turned(down, axis, angle) };
    }
  }

  function resize() {
    for (const view of views) view.fit();
    draw();
  }

  const pointOf = (view, event) => {
    const box = view.root.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  for (const view of views) {
    view.root.addEventListener("pointerdown", (event) => {
      if (event.button > 2) return;
      event.preventDefault();
      view.root.focus({ preventScroll: true });
      active = view;
      const point = pointOf(view, event);
      const knob = event.button === 0 ? view.knobAt(point) : undefined;
      drag = { view, button: event.button, last: point, knob };
      view.root.setPointerCapture(event.pointerId);
      if (event.button === 0 && !knob) {
        world.place = view.toPlace(point);
        draw(true);
      }
    });
    view.root.addEventListener("pointermove", (event) => {
      view.probe(drag ? undefined : pointOf(view, event));
      if (drag?.view !== view) return;
      const point = pointOf(view, event);
      const [x, y] = [point[0] - drag.last[0], point[1] - drag.last[1]];
      if (drag.button === 2) {
        const width = Math.max(1, world.range.upper - world.range.lower);
        const level = (world.range.upper + world.range.lower) / 2 + (y * width) / 300;
        const wide = Math.max(1, width * (1 + x / 300));
        world.range = { lower: level - wide / 2, upper: level + wide / 2 };
        drag.last = point;
        repaint();
        return;
      } else if (drag.button === 1) {
        view.pan(x, y);
      } else if (drag.knob) {
        const [cx, cy] = view.toScreen(world.place);
        const angleOf = ([px, py]) => Math.atan2(py - cy, px - cx);
        turn(view, angleOf(point) - angleOf(drag.last));
      } else {
        world.place = view.toPlace(point);
      }
      drag.last = point;
      draw(true);
    });
    for (const over of ["pointerup", "pointercancel"]) {
      view.root.addEventListener(over, () => {
        if (drag?.view !== view) return;
        drag = undefined;
        draw();
      });
    }
    view.root.addEventListener("pointerleave", () => view.probe());
    view.root.addEventListener("contextmenu", (event) => event.preventDefault());
    view.root.addEventListener("dblclick", (event) => {
      event.stopPropagation();
      const isLarge = root.dataset.large === view.id;
      if (isLarge) delete root.dataset.large;
      else root.dataset.large = view.id;
      resize();
    });
    view.root.addEventListener("focus", () => (active = view));
    view.root.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        event.stopPropagation();
        if (event.ctrlKey) {
          view.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15);
          draw();
        } else {
          scroll(view, Math.sign(event.deltaY));
        }
      },
      { passive: false },
    );
  }

  const keys = {
    escape: close,
    m: close,
    r: reset,
    i: invert,
    b: () => fusion?.toggleBeside(),
    "[": () => fusion?.fade(-10),
    "]": () => fusion?.fade(10),
    arrowup: () => scroll(active, -1),
    arrowdown: () => scroll(active, 1),
    "+": () => {
      active.zoom(1.15);
      draw();
    },
    "-": () => {
      active.zoom(1 / 1.15);
      draw();
    },
  };

  /** While the planes are open, keys are theirs. */
  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target.closest?.("dialog[open], .report, textarea, [contenteditable]")) return;
    const isField = event.target.closest?.("input, select");
    const action = keys[event.key.toLowerCase()];
    if (!action || (isField && event.key !== "Escape")) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }
  document.addEventListener("keydown", onKey, true);

  thickness.addEventListener("input", () => {
    world.slab.mm = Number(thickness.value);
    write(thick, `${thickness.value} mm`);
    draw(true);
  });
  how.addEventListener("change", () => {
    world.slab.how = how.value;
    draw();
  });

  const watcher = new ResizeObserver(resize);
  watcher.observe(root);

  const total = grid.size[2];
  function tell() {
    const rest = total - volume.loaded;
    root.dataset.whole = String(rest === 0);
    status.classList.toggle("is-warning", rest > 0 || grid.every > 1);
    if (!volume.hasRoom) write(status, "This browser has not the memory for this series.");
    else if (!rest && grid.every > 1)
      write(
        status,
        `The series is too large for this browser: ${total} of its ${grid.total} slices are used.`,
      );
    else if (!rest) write(status, `${total} slices, complete`);
    else if (volume.failed)
      write(status, `Not loaded completely: ${rest} of ${total} slices are missing here.`);
    else write(status, `Not loaded completely: ${volume.loaded} of ${total} slices`);
  }

  let drawn = 0;
  tell();

  /** Slices that did not come are asked for again, for a while. */
  async function fill(times = 0) {
    await volume.fill(() => {
      tell();
      if (performance.now() - drawn > DRAW_EVERY) {
        drawn = performance.now();
        draw();
      }
    });
    tell();
    if (!root.isConnected) return;
    draw();
    if (volume.failed && volume.hasRoom && times < TRIES)
      again = setTimeout(() => fill(times + 1), AGAIN);
  }
  fill();
  draw();
  views[0].root.focus({ preventScroll: true });

  const viewOf = (id) => views.find((view) => view.id === id);
  return {
    close,
    /** For checks: where the crosshairs are (mm), what a view shows at a place on it, where a place is. */
    place: () => world.place,
    valueAt: (id, point) => viewOf(id).valueAt(point),
    overAt: (id, point) => viewOf(id).overAt(point),
    toScreen: (id, place) => viewOf(id).toScreen(place),
    ways: (name) => world.ways[name],
    range: () => world.range,
  };
}
