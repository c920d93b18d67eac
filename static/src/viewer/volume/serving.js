/**
 * The worker's side of a volume: takes slices, gives pictures. Of each view only the newest picture is made:
 * a thick slab is left off where another is asked for.
 */
import { drawing, layersOf } from "./resample.js";
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

  const takes = {
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
