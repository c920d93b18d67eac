/** The voxels of a series, filled slice by slice as its frames come. */
import { gridOf } from "./geometry.js";

const CONCURRENCY = 4;

/**
 * @param {{frame: object, imageId: string}[]} entries
 * @param {(imageId: string) => Promise<ArrayLike<number>>} load values of a frame as they are displayed
 */
export function createVolume(entries, load) {
  const grid = gridOf(entries.map(({ frame }) => frame));
  const ids = new Map(entries.map(({ frame, imageId }) => [frame, imageId]));
  const [columns, rows, slices] = grid.size;
  const volume = {
    grid,
    values: new Float32Array(columns * rows * slices),
    isThere: new Uint8Array(slices),
    isWhole: false,
    loaded: 0,
    failed: 0,
  };
  let isOver = false;

  /** Slices from `middle` outwards. */
  function* order(middle) {
    for (let away = 0; away < slices; away += 1) {
      if (middle - away >= 0) yield middle - away;
      if (away > 0 && middle + away < slices) yield middle + away;
    }
  }

  async function take(slice) {
    try {
      const values = await load(ids.get(grid.frames[slice]));
      if (isOver) return;
      if (values.length !== columns * rows) throw new Error("size");
      volume.values.set(values, slice * columns * rows);
      volume.isThere[slice] = 1;
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
          if (isOver) return;
          if (volume.isThere[slice]) continue;
          await take(slice);
          if (!isOver) onStep();
        }
      };
      volume.failed = 0;
      await Promise.all(Array.from({ length: CONCURRENCY }, work));
      volume.isWhole = volume.loaded === slices;
    },

    close() {
      isOver = true;
      volume.values = new Float32Array(0);
    },
  });
}
