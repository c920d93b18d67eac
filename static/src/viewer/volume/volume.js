/** A series as a volume: its frames are fetched here, its voxels live in a worker that makes the pictures. */
import { bytesOf, encodingOf, holesOf } from "./encoding.js";
import { gridOf } from "./geometry.js";

const CONCURRENCY = 4;

const startWorker = () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" });

/**
 * @param {{frame: object, imageId: string}[]} entries
 * @param {(imageId: string) => Promise<ArrayLike<number>>} load values of a frame as they are displayed
 * @param {object} [port] to a server of volumes (serving.js); a worker of its own otherwise
 * @throws {import("./geometry.js").NoVolume}
 */
export function createVolume(entries, load, port = undefined) {
  const frames = entries.map(({ frame }) => frame);
  const encoding = encodingOf(frames);
  const grid = gridOf(frames, bytesOf(encoding));
  const ids = new Map(entries.map(({ frame, imageId }) => [frame, imageId]));
  const [columns, rows, slices] = grid.size;
  const { size, origin, steps } = grid;
  const server = port ?? startWorker();
  const isThere = new Uint8Array(slices);
  /** What waits for an answer of the worker: slices by their number, questions by theirs. */
  const taking = new Map();
  const asking = new Map();
  let asked = 0;
  let isOver = false;
  /** Samples that the worker makes in a millisecond, as it did of late. */
  let pace = 20_000;

  const volume = { grid, isWhole: false, hasRoom: true, loaded: 0, failed: 0 };

  const answers = {
    made() {},
    "no-room"() {
      volume.hasRoom = false;
    },
    taken({ slice, isTaken }) {
      taking.get(slice)?.(isTaken);
      taking.delete(slice);
    },
    picture({ id, values, samples, ms }) {
      if (ms > 2) pace += 0.5 * (samples / ms - pace);
      asking.get(id)?.(values);
      asking.delete(id);
    },
    left({ id }) {
      asking.get(id)?.(undefined);
      asking.delete(id);
    },
  };
  server.onmessage = ({ data }) => answers[data.kind](data);
  // A worker that fell over answers nothing any more.
  server.onerror = () => {
    volume.hasRoom = false;
    for (const settle of taking.values()) settle(false);
    for (const settle of asking.values()) settle(undefined);
    taking.clear();
    asking.clear();
  };
  server.postMessage({ kind: "make", grid: { size, origin, steps }, encoding });

  /** Slices from `middle` outwards. */
  function* order(middle) {
    for (let away = 0; away < slices; away += 1) {
      if (middle - away >= 0) yield middle - away;
      if (away > 0 && middle + away < slices) yield middle + away;
    }
  }

  async function take(slice) {
    try {
      const frame = grid.frames[slice];
      const values = await load(ids.get(frame));
      if (isOver) return;
      if (values.length !== columns * rows) throw new Error("size");
      const isTaken = await new Promise((resolve) => {
        taking.set(slice, resolve);
        server.postMessage({ kind: "slice", slice, values, holes: holesOf(frame) });
      });
      if (!isTaken) throw new Error("not taken");
      isThere[slice] = 1;
      volume.loaded += 1;
    } catch {
      volume.failed += 1;
    }
  }

  return Object.assign(volume, {
    /** Loads all slices; `onStep` is called after each. Resolves when no more will come. */
    async fill(onStep) {
      const waiting = order(Math.floor(slices / 2));
      const work = async () => {
        for (const slice of waiting) {
          if (isOver || !volume.hasRoom) return;
          if (isThere[slice]) continue;
          await take(slice);
          if (!isOver) onStep();
        }
      };
      volume.failed = 0;
      await Promise.all(Array.from({ length: CONCURRENCY }, work));
      volume.isWhole = volume.loaded === slices;
    },

    /**
     * A picture of a plane, as resample.js makes it; undefined where a later question of the same `view`
     * overtook it.
     *
     * @param {string} view
     * @returns {Promise<Float32Array | undefined>}
     */
    picture(view, plane, slab) {
      if (isOver || !volume.hasRoom) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        const id = (asked += 1);
        asking.set(id, resolve);
        server.postMessage({ kind: "picture", view, id, plane, slab });
      });
    },

    /** How many samples can be had in so many milliseconds. */
    samplesIn: (ms) => pace * ms,

    close() {
      isOver = true;
      (server.terminate ?? server.close).call(server);
      for (const settle of asking.values()) settle(undefined);
      asking.clear();
    },
  });
}
