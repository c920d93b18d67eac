/**
 * The worker's side of a volume: takes slices, gives pictures. Of each view only the newest picture is made:
 * a thick slab is left off where another is asked for.
 */
import { planesOf } from "./box.js";
import { drawing, layersOf, picture } from "./resample.js";
import { createVoxels } from "./voxels.js";

const LISTEN_EVERY = 25; // ms

/** @param {object} port of messages: the worker's own scope, or a MessagePort */
export function serve(port) {
  let voxels;
  /** The newest question of each view. */
  const asked = new Map();
  let isBusy = false;

  const breath = () => new Promise((resolve) => setTimeout(resolve));

  async function draw(question) {
    const { view, id, plane, slab } = question;
    question.isBegun = true;
    const values = new Float32Array(plane.width * plane.height);
    const began = performance.now();
    let heard = began;
    let rested = 0;
    const steps = drawing(voxels, plane, slab, values);
    while (!steps.next().done) {
      const now = performance.now();
      if (now - heard < LISTEN_EVERY) continue;
      await breath();
      heard = performance.now();
      rested += heard - now;
      if (asked.get(view) !== question) {
        port.postMessage({ kind: "left", id });
        return;
      }
    }
    if (asked.get(view) === question) asked.delete(view);
    const samples = values.length * layersOf(voxels.grid, slab);
    const ms = performance.now() - began - rested;
    port.postMessage({ kind: "picture", id, values, samples, ms }, [values.buffer]);
  }

  async function work() {
    if (isBusy) return;
    isBusy = true;
    while (asked.size) {
      const [question] = asked.values();
      await draw(question);
      // Slices that arrive go between pictures.
      await breath();
    }
    isBusy = false;
  }

  /** All values of a box, what is nothing at the least of them. */
  async function fillBox({ id, box }) {
    const inSlice = box.size[0] * box.size[1];
    const values = new Float32Array(inSlice * box.size[2]);
    let [least, most] = [Infinity, -Infinity];
    let heard = performance.now();
    for (const [k, plane] of planesOf(box).entries()) {
      const found = picture(voxels, plane);
      for (const value of found) {
        if (value < least) least = value;
        if (value > most) most = value;
      }
      values.set(found, k * inSlice);
      if (performance.now() - heard < LISTEN_EVERY) continue;
      port.postMessage({ kind: "filling", id, done: (k + 1) / box.size[2] });
      await breath();
      heard = performance.now();
    }
    for (let at = 0; at < values.length; at += 1) if (values[at] !== values[at]) values[at] = least;
    port.postMessage({ kind: "box", id, values, least, most }, [values.buffer]);
  }

  const takes = {
    box(question) {
      fillBox(question).catch(() => port.postMessage({ kind: "box", id: question.id }));
    },
    make({ grid, encoding }) {
      try {
        voxels = createVoxels(grid, encoding);
        port.postMessage({ kind: "made" });
      } catch {
        port.postMessage({ kind: "no-room" });
      }
    },
    slice({ slice, values, holes }) {
      let isTaken = false;
      try {
        voxels?.put(slice, values, holes);
        isTaken = Boolean(voxels);
      } catch {
        // Said below.
      }
      port.postMessage({ kind: "taken", slice, isTaken });
    },
    picture(question) {
      const before = asked.get(question.view);
      if (before) {
        asked.delete(question.view);
        if (!before.isBegun) port.postMessage({ kind: "left", id: before.id });
      }
      asked.set(question.view, question);
      work();
    },
  };

  port.onmessage = ({ data }) => takes[data.kind](data);
}
