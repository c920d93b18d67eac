/** Viewports that follow the active one: place, window, zoom, and lines where it cuts them. */
import { drawLine } from "./lines.js";
import { anchorsOf, linkedImage, offsetOf, whyNotLinked } from "./linking.js";
import { measure } from "./wording.js";

const echoTime = 400;

const sameRange = (a, b) =>
  Math.abs(a.lower - b.lower) < 1e-3 && Math.abs(a.upper - b.upper) < 1e-3;

/**
 * @param {object} options
 * @param {() => object[]} options.visible cells on the screen
 * @param {() => object} options.active
 * @param {(words: string) => void} options.say
 * @param {(kind: string, on: boolean) => void} options.onToggle
 * @param {(plane: object) => void} options.onMoved the active cell shows another place, and is linked
 */
export function createSync({ visible, active, say, onToggle, onMoved }) {
  const on = { scroll: false, window: false, view: false, lines: false };
  let anchors = new Map();
  /** What another window asked the active cell to show, and until when nothing is told back to it. */
  const outside = { index: undefined, until: 0 };
  /** The series of each cell that was told where to be. */
  const told = new WeakMap();

  const others = () => visible().filter((cell) => cell !== active() && cell.stack && cell.shown);

  function follow(cell, plane) {
    told.set(cell, cell.uid);
    const found = linkedImage(plane, cell.planes(), anchors);
    if (found.why) {
      cell.setLink(`Not linked: ${found.why}`, true);
      return undefined;
    }
    cell.setLink(
      found.beyond ? `Linked, nearest image ${measure(found.distance)} mm away` : "Linked",
      found.beyond,
    );
    if (found.index !== cell.shown.index) cell.moveTo(() => found.index);
    return found.index;
  }

  function scroll() {
    const plane = active()?.plane();
    for (const cell of others()) {
      if (plane) follow(cell, plane);
      else cell.setLink("Not linked: the active image is not placed in the patient", true);
    }
    // What another window asked for is not told back: the two would pull at each other.
    const echo = performance.now() < outside.until || active().shown?.index === outside.index;
    if (plane && !echo) {
      outside.index = undefined;
      onMoved(plane);
    }
  }

  function windows() {
    const { shown } = active();
    if (!shown || shown.color) return;
    for (const cell of others()) {
      const { color, range, frame } = cell.shown;
      const alike = !color && frame.modality === shown.frame.modality;
      if (alike && !sameRange(range, shown.range)) cell.stack.setWindow(shown.range);
    }
  }

  function views() {
    const cell = active();
    if (!cell.shown) return;
    const view = cell.stack.view();
    const plane = cell.plane();
    for (const other of others()) {
      const target = other.plane();
      const together =
        plane && target && plane.reference === target.reference
          ? whyNotLinked(plane, target, anchors) === ""
          : false;
      if (together) other.stack.setPlacedView(view);
      else other.stack.setRelativeView(view);
    }
  }

  function lines() {
    const source = on.lines ? active()?.plane() : undefined;
    for (const cell of visible()) drawLine(cell, cell === active() ? undefined : source);
  }

  /** What the reader is told when linking: what follows, and by which offset. */
  function sayLinked() {
    const plane = active()?.plane();
    if (!plane) {
      say("The active image is not placed in the patient: nothing can be linked to it.");
      return;
    }
    const found = others().map((cell) => [cell, linkedImage(plane, cell.planes(), anchors)]);
    const linked = found.filter(([, each]) => !each.why);
    const offset = linked
      .map(([cell]) => offsetOf(plane, cell.planes()[0], anchors))
      .find((each) => each !== 0);
    if (!linked.length) {
      say(
        found.length
          ? `Nothing can be linked: ${[...new Set(found.map(([, { why }]) => why))].join(", ")}.`
          : "Linked, as soon as other viewports show images.",
      );
    } else {
      say(
        `${linked.length} of ${found.length} linked` +
          (offset === undefined
            ? "."
            : `, priors as they stand now (${measure(offset)} mm apart).`),
      );
    }
  }

  return {
    isOn: (kind) => on[kind],
    state: () => ({ ...on }),
    toggle(kind, now = !on[kind]) {
      if (on[kind] === now) return;
      on[kind] = now;
      onToggle(kind, now);
      if (kind === "scroll") {
        anchors = now ? anchorsOf([active(), ...others()].map((cell) => cell?.plane())) : new Map();
        for (const cell of visible()) cell.setLink("");
        if (now) {
          sayLinked();
          scroll();
        }
      }
      if (kind === "window" && now) windows();
      if (kind === "view" && now) views();
      if (kind === "lines") lines();
    },
    /** A cell shows another image, or the same otherwise. */
    shown(cell) {
      if (cell === active()) {
        cell.setLink("");
        if (on.scroll) scroll();
        if (on.window && cell.shown.byReader) windows();
        if (on.view) views();
        if (on.lines) lines();
        return;
      }
      const plane = active()?.plane();
      // A series that has just come follows at once; later it is the reader who moves.
      if (on.scroll && plane && told.get(cell) !== cell.uid) follow(cell, plane);
      if (on.lines) drawLine(cell, plane);
    },
    /** Another window of the study shows this place. */
    followOutside(plane) {
      if (!on.scroll) return;
      outside.until = performance.now() + echoTime;
      for (const cell of visible()) {
        if (!cell.shown) continue;
        const index = follow(cell, plane);
        if (cell === active()) outside.index = index;
      }
    },
    /** Another cell is active, or the layout is another. */
    refresh() {
      for (const cell of visible()) if (!on.scroll || cell === active()) cell.setLink("");
      if (on.scroll) scroll();
      lines();
    },
  };
}
