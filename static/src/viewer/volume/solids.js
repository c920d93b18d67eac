/** Which viewports show their series in three dimensions, and what keys and tools mean there. */
import { rendererReady } from "../renderer.js";
import { patientLines, seriesLines } from "../overlay.js";
import { seriesLabel } from "../rail.js";

/** Each has a WebGL context: browsers allow a page some sixteen, and take the oldest away beyond. */
const MOST = 6;

/** What is about the pictures of the series, which are not seen. */
const notHere =
  /^(capture|remove|name|cine|next|previous|first|last|one-to-one|smooth|magnifier|mirror-.*|mode:.*|preset:.*)$/;

/**
 * @param {object} options
 * @param {() => object} options.active the viewport in use
 * @param {(words: string) => void} options.say
 */
export function createSolids({ active, say }) {
  /** By viewport. */
  const open = new Map();

  async function show(cell) {
    if (open.has(cell) || !cell.shown) return;
    if (open.size >= MOST) {
      say(`${MOST} viewports are in 3D already: close one of them first.`);
      return;
    }
    const { uid, study } = cell;
    const [{ openSolid }, { valuesOf }] = await Promise.all([
      import("./solid.js"),
      rendererReady(),
    ]);
    if (open.has(cell) || !cell.shown || cell.uid !== uid || cell.study !== study) return;
    cell.cine?.stop();
    const opened = openSolid(cell.root, {
      entries: cell.stack.entries(),
      load: valuesOf,
      range: cell.shown.range,
      isInverted: cell.shown.inverted,
      label: seriesLabel(cell.series()),
      patient: patientLines(cell.shown.frame),
      series: seriesLines(cell.shown.frame),
      onClose: () => open.delete(cell),
    });
    if (opened.refused) say(`No 3D of this series. ${opened.refused}`);
    else open.set(cell, { ...opened, uid, study });
  }

  document.addEventListener(
    "keydown",
    (event) => {
      const solid = open.get(active());
      if (!solid || document.querySelector(".volume, dialog[open]")) return;
      if (event.target.closest?.("input, textarea, select, [contenteditable], .report, .tool-menu"))
        return;
      if (!solid.press(event)) return;
      event.preventDefault();
      event.stopPropagation();
    },
    true,
  );

  return {
    /** Does an action of the page where the viewport in use is in 3D. @returns {boolean} whether it did */
    act(action) {
      const solid = open.get(active());
      if (!solid) {
        if (action !== "solid") return false;
        show(active());
        return true;
      }
      const own = solid.actions[action];
      if (own) own();
      else if (notHere.test(action)) say("Not in 3D: close it (Esc) for the series' own pictures.");
      return Boolean(own) || notHere.test(action);
    },
    /** The viewport shows another series or none: its solid is over. */
    changed(cell) {
      const solid = open.get(cell);
      if (solid && (cell.uid !== solid.uid || cell.study !== solid.study)) solid.close();
    },
    of: (cell) => open.get(cell),
  };
}
