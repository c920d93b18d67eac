/** The voxels themselves, filled slice by slice. They live where pictures are made of them: in the worker. */
import { Misfit, asFloats, encode, roomFor } from "./encoding.js";

/**
 * @param {object} grid as geometry.js makes it
 * @param {object} encoding as encoding.js makes it
 * @throws {RangeError} where there is not enough memory
 */
export function createVoxels(grid, encoding) {
  const [columns, rows, slices] = grid.size;
  const inSlice = columns * rows;
  const voxels = {
    grid,
    encoding,
    values: roomFor(encoding, inSlice * slices),
    isThere: new Uint8Array(slices),
    isWhole: false,
  };

  /** @param {ArrayLike<number>} values of a slice as displayed */
  function put(slice, values, holes) {
    if (values.length !== inSlice) throw new Error("A slice of another size.");
    const into = voxels.values.subarray(slice * inSlice, (slice + 1) * inSlice);
    try {
      encode(values, holes, voxels.encoding, into);
    } catch (error) {
      if (!(error instanceof Misfit)) throw error;
      Object.assign(voxels, asFloats(voxels.values, voxels.encoding));
      put(slice, values, holes);
      return;
    }
    voxels.isThere[slice] = 1;
    voxels.isWhole = voxels.isThere.every(Boolean);
  }

  return Object.assign(voxels, { put });
}
