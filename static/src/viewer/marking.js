/** Measuring and capturing on the images: an overlay of its own over the viewport. */
import { svg } from "./dom.js";
import { distanceTo, rescaled } from "./length.js";
import { askOn, millimetres } from "./measure/asking.js";
import { drawn, strokesOf } from "./measure/draw.js";
import { bodyOf, factsOf } from "./measure/history.js";
import {
  begun,
  goesOn,
  handlesOf,
  kinds,
  moved,
  nextLeg,
  shifted,
  withShortAxis,
} from "./measure/kinds.js";
import { boxArea, extent, thinned } from "./measure/geometry.js";
import { mayCalibrate, scaleOf } from "./measure/scale.js";
import { valuesOf } from "./measure/values.js";
import { Tag, numbers } from "./tags.js";
import { rangeWindow } from "./voi.js";

const NEAR = 8;
const SHORTEST = 4;
const STEP = 2;
const MOST_POINTS = 256;
const MOST_PIXELS = 1e6;
const square = { row: 1, column: 1 };
const none = () => undefined;

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
  let tool;
  let selected;
  /** What is being drawn: `points`, the one that follows the pointer (`end`), and how far it is (`phase`). */
  let draft;
  /** What is being moved: the measurement, by which handle, from where. */
  let hold;
  /** Where labels stand, so that none covers another. */
  let taken = [];

  const sizeOf = ({ rows, columns }) => ({ rows, columns });
  const stored = () => shown.frame.stored ?? shown.frame;
  const whole = () => ({ ...shown.frame, ...stored() });

  /** From a place on the canvas to a pixel of the stored frame, and back. */
  const toPixel = (point) =>
    rescaled(stack().toPixel(point), sizeOf(shown.frame), sizeOf(stored()));
  const toCanvas = (pixel) =>
    stack().toCanvas(rescaled(pixel, sizeOf(stored()), sizeOf(shown.frame)));

  const here = (entry) =>
    shown &&
    entry.sop_instance_uid === shown.frame.sopInstanceUID &&
    entry.frame === shown.frame.frame;
  const current = () => (store.visible === false ? [] : store.measurements().filter(here));

  /** The reader's word on the spacing of this image, the last that was given. */
  const calibration = () =>
    store
      .measurements()
      .filter(
        (entry) =>
          entry.tool === "calibration" && entry.sop_instance_uid === shown.frame.sopInstanceUID,
      )
      .at(-1);

  /** Values as displayed, of the picture that is shown; what the server drew has none. */
  function pixels() {
    const found = shown.frame.byServer ? undefined : stack().look();
    return found && { ...found, samplesPerPixel: found.samples };
  }

  function placeOf() {
    const { frame } = shown;
    return {
      series_instance_uid: series(),
      sop_instance_uid: frame.sopInstanceUID,
      frame: frame.frame,
    };
  }

  /** What the list shows until the server has answered. */
  function factsOfShown() {
    const { frame } = shown;
    return {
      series_number: numbers(frame.dataset, Tag.SeriesNumber)?.[0] ?? null,
      instance_number: frame.instanceNumber ?? null,
      frames: frame.frames,
    };
  }

  function drawingScale(points) {
    const found = scaleOf(whole(), points, calibration());
    return found.row ? found : square;
  }

  const measured = (kind, points, of) =>
    valuesOf(kind, points, { frame: whole(), pixels: of, calibration: calibration() });

  /** While a large region is drawn its pixels are not counted with every move. */
  const whileDrawn = (points) => (boxArea(extent(points), square) > MOST_PIXELS ? none : pixels);

  /** The body of a measurement; `refused` in words where it can't be told. */
  function described(kind, points, { label = "", known, of = pixels } = {}) {
    const found = known ? { values: known } : measured(kind, points, of);
    if (found.refused) return found;
    const by = found.calibration && calibration();
    return {
      body: {
        ...placeOf(),
        tool: kind,
        points,
        values: found.values,
        label,
        at_detector: found.atDetector === true,
        calibration: found.calibration ?? null,
      },
      note: found.note,
      calibrated_by: by ? (by.author?.name ?? "you") : "",
    };
  }

  function drawOne(entry) {
    const room = [element.clientWidth, element.clientHeight];
    layer.append(drawn(entry, { toCanvas, isSelected: entry.id === selected, room, taken }));
  }

  function drawMoving({ id, tool: kind, points: placed, label }) {
    const isHalf = kind === "bidirectional" && placed.length === 2;
    const points = isHalf ? withShortAxis(placed, drawingScale(placed)) : placed;
    const found = preview(kind, points, label);
    drawOne({
      id,
      tool: kind,
      points,
      label,
      values: [],
      ...found.body,
      calibrated_by: found.calibrated_by,
    });
  }

  function preview(kind, points, label) {
    const complete = kind !== "freehand" || points.length > 2;
    const enough = typeof kinds[kind].points !== "number" || points.length === kinds[kind].points;
    return complete && enough ? described(kind, points, { label, of: whileDrawn(points) }) : {};
  }

  function draw() {
    layer.replaceChildren();
    taken = [];
    if (!shown || !stack()) return;
    for (const entry of current()) if (entry.id !== hold?.entry.id) drawOne(entry);
    if (hold) drawMoving({ ...hold.entry, points: hold.points });
    if (draft) drawMoving(draft);
  }

  function nearest(point) {
    let best;
    for (const entry of current()) {
      const end = handlesOf(entry).findIndex((pixel) => {
        const [x, y] = toCanvas(pixel);
        return Math.hypot(x - point[0], y - point[1]) <= NEAR;
      });
      const lines = strokesOf(entry, toCanvas);
      let distance = end >= 0 ? 0 : Number.POSITIVE_INFINITY;
      for (const line of lines) {
        for (let at = 0; at + 1 < line.length; at += 1) {
          distance = Math.min(distance, distanceTo(point, line[at], line[at + 1]));
        }
      }
      if (distance <= NEAR && (!best || distance < best.distance)) best = { entry, end, distance };
    }
    return best;
  }

  const pointOf = (event) => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  function begin(pixel, point) {
    if (tool === "calibration" && !mayCalibrate(whole())) {
      say("This image has its own spacing: there is nothing to calibrate.");
      return;
    }
    draft = {
      id: crypto.randomUUID(),
      tool,
      points: begun(tool, pixel),
      from: point,
      phase: "drag",
    };
    draft.end = draft.points.length - 1;
    selected = draft.id;
    if (!store.visible) store.setVisible(true);
  }

  function take({ entry, end }, pixel, point) {
    selected = entry.id;
    if (!may() || entry.tool === "calibration") return;
    if (!store.isMine(entry)) {
      say(`Measured by ${entry.author.name}: only its author changes it.`);
      return;
    }
    hold = { entry, end, points: entry.points, at: pixel, from: point };
  }

  function down(event) {
    if (!tool || event.button !== 0 || !shown || draft?.phase === "asking") return;
    const point = pointOf(event);
    const pixel = toPixel(point);
    if (draft) {
      // The next leg of an angle, the second line of a Cobb angle.
      if (draft.tool === "cobb") draft.points = nextLeg("cobb", draft.points, pixel);
      draft.end = draft.points.length - 1;
      Object.assign(draft, { phase: "drag", from: point });
      follow(pixel);
    } else {
      const found = nearest(point);
      if (found) take(found, pixel, point);
      else if (may()) begin(pixel, point);
      else {
        selected = undefined;
        say("Only radiologists of the study's site measure.");
      }
    }
    if (draft || hold) element.setPointerCapture(event.pointerId);
    draw();
  }

  function follow(pixel, point) {
    if (draft.tool === "freehand") {
      const [x, y] = draft.last ?? draft.from;
      if (point && Math.hypot(point[0] - x, point[1] - y) >= STEP) {
        draft.points = [...draft.points, pixel];
        draft.last = point;
      }
      return;
    }
    draft.points = draft.points.map((one, at) => (at === draft.end ? pixel : one));
  }

  function move(event) {
    if (!draft && !hold) return;
    const point = pointOf(event);
    const pixel = toPixel(point);
    if (draft?.phase === "drag" || (draft?.phase === "hover" && draft.tool === "angle")) {
      follow(pixel, point);
    } else if (hold) {
      const { entry, end, at } = hold;
      hold.points =
        end >= 0
          ? moved(entry, end, pixel, drawingScale(entry.points))
          : shifted(entry, [pixel[0] - at[0], pixel[1] - at[1]]);
    } else return;
    draw();
  }

  const far = (event, [x, y]) => {
    const [nowX, nowY] = pointOf(event);
    return Math.hypot(nowX - x, nowY - y) >= SHORTEST;
  };

  function up(event) {
    if (hold) {
      const { entry, points, from } = hold;
      hold = undefined;
      if (far(event, from)) change(entry, points);
    } else if (draft?.phase === "drag") legDrawn(event);
    draw();
  }

  function legDrawn(event) {
    const isPoint = draft.points.length === 1;
    const isThird = draft.tool === "angle" && draft.points.length === 3;
    const isLine = draft.tool === "freehand" ? draft.points.length > 3 : far(event, draft.from);
    if (!isPoint && !isThird && !isLine) {
      if (draft.tool === "cobb" && draft.points.length === 4) {
        // A click beside the second line: the first stays.
        Object.assign(draft, { points: draft.points.slice(0, 2), phase: "hover" });
      } else forget();
      return;
    }
    if (goesOn(draft.tool, draft.points)) {
      if (draft.tool === "angle") {
        draft.points = nextLeg("angle", draft.points, toPixel(pointOf(event)));
        draft.end = 2;
      }
      draft.phase = "hover";
      return;
    }
    finish();
  }

  function forget() {
    if (selected === draft?.id) selected = undefined;
    draft = undefined;
  }

  async function finish() {
    const { id, tool: kind } = draft;
    if (kind === "bidirectional") {
      draft.points = withShortAxis(draft.points, drawingScale(draft.points));
    }
    if (kind === "freehand") draft.points = thinned(draft.points.slice(1), MOST_POINTS);
    let more = {};
    if (kinds[kind].asks) {
      more = await answered(kind);
      if (draft?.id !== id) return;
      if (!more) {
        forget();
        draw();
        return;
      }
    }
    const { points } = draft;
    draft = undefined;
    keep(id, described(kind, points, more), factsOfShown());
    draw();
  }

  /** The words or the length that a drawing needs; undefined where it was given up. */
  async function answered(kind) {
    draft.phase = "asking";
    draw();
    const place = toCanvas(draft.points.at(-1));
    if (kinds[kind].asks === "text") {
      const label = await askOn(stage, place, {
        label: kind === "text" ? "Text" : "Text, or Enter",
      });
      return label === undefined || (kind === "text" && !label) ? undefined : { label };
    }
    const said = await askOn(stage, place, { label: "Length of the line", unit: "mm" });
    if (said === undefined) return undefined;
    const length = millimetres(said);
    if (!length) {
      say("A calibration is a length in mm, such as 25.4.");
      return undefined;
    }
    return { known: [{ name: "length", value: length, unit: "mm" }] };
  }

  function keep(id, { refused, body, note }, facts) {
    if (refused) {
      if (selected === id) selected = undefined;
      say(refused);
      return;
    }
    if (note) say(note);
    store.saveMeasurement(id, body, facts).then((answer) => {
      const isRefused = answer && ["refused", "conflict", "invalid", "gone"].includes(answer.kind);
      if (isRefused) say(store.words || "The measurement could not be kept.");
    });
  }

  function change(entry, points) {
    keep(entry.id, described(entry.tool, points, { label: entry.label }), factsOf(entry));
  }

  element.addEventListener("pointerdown", down);
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", () => {
    hold = undefined;
    if (draft?.phase === "drag") forget();
    draw();
  });
  store.subscribe(draw);

  return {
    /** A picture is on the screen, or its place on it has changed. */
    shown(next) {
      if (shown?.frame !== next.frame) {
        draft = undefined;
        hold = undefined;
        selected = undefined;
      }
      shown = next;
      draw();
    },
    hidden() {
      shown = undefined;
      draft = undefined;
      hold = undefined;
      layer.replaceChildren();
    },
    /** The tool that the left button measures with; anything else is no measuring. */
    setMeasuring(name) {
      if (tool !== name) forget();
      tool = kinds[name] ? name : undefined;
      stage.classList.toggle("is-measuring", Boolean(tool));
      draw();
    },
    /** Gives up what is being drawn. True where there was something. */
    cancel() {
      const had = Boolean(draft);
      forget();
      if (had) draw();
      return had;
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
      store.saveKeyImage(id, body, factsOfShown()).then((answer) => {
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
    /** Lets the author name the measurement that is selected. */
    async nameSelected() {
      const entry = current().find(({ id }) => id === selected);
      if (!entry || !may()) return;
      if (!store.isMine(entry)) {
        say(`Measured by ${entry.author.name}: only its author changes it.`);
        return;
      }
      const place = toCanvas(entry.points.at(-1));
      const label = await askOn(stage, place, { label: "Name", value: entry.label ?? "" });
      if (label === undefined || label === entry.label) return;
      keep(entry.id, { body: { ...bodyOf(entry), label } }, factsOf(entry));
    },
    select(id) {
      selected = id;
      draw();
    },
  };
}
