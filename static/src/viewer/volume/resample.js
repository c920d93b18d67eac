/** Pictures of planes through a volume: linear between voxels, also through slabs. */
import { dot, plus, scaled } from "../vectors.js";
import { depthOf, inverseOf } from "./geometry.js";

export const slabs = ["average", "mip", "minip"];

/**
 * @param {object} volume as volume.js fills it: `grid`, `values`, `isThere` (one byte a slice)
 * @param {{centre: number[], right: number[], down: number[], mm: number, width: number, height: number}} plane
 *   `centre` lies in the middle of the picture, `mm` is the size of its pixels
 * @param {{mm: number, how: "average" | "mip" | "minip"}} [slab] thickness about the plane
 * @param {Float32Array} [out] to be filled, of width x height
 * @returns {Float32Array} NaN where there is no voxel
 */
export function picture(volume, plane, slab = { mm: 0, how: "average" }, out = undefined) {
  const { width, height } = plane;
  const found = out ?? new Float32Array(width * height);
  const depth = depthOf(plane);
  const finest = Math.min(...volume.grid.steps.map((step) => Math.hypot(...step)));
  const layers = slab.mm > finest ? Math.max(2, Math.ceil(slab.mm / finest)) : 1;
  if (layers === 1) {
    layer(volume, plane, plane.centre, found);
    return found;
  }
  const one = new Float32Array(width * height);
  const counts = slab.how === "average" ? new Uint16Array(width * height) : undefined;
  found.fill(Number.NaN);
  for (let number = 0; number < layers; number += 1) {
    const away = slab.mm * (number / (layers - 1) - 0.5);
    layer(volume, plane, plus(plane.centre, depth, away), one);
    for (let at = 0; at < one.length; at += 1) {
      const value = one[at];
      if (value !== value) continue;
      const before = found[at];
      if (before !== before) found[at] = value;
      else if (slab.how === "mip") found[at] = value > before ? value : before;
      else if (slab.how === "minip") found[at] = value < before ? value : before;
      else found[at] = before + value;
      if (counts) counts[at] += 1;
    }
  }
  if (counts) for (let at = 0; at < found.length; at += 1) if (counts[at]) found[at] /= counts[at];
  return found;
}

function layer({ grid, values, isThere, isWhole }, plane, centre, out) {
  const { right, down, mm, width, height } = plane;
  const [nx, ny, nz] = grid.size;
  const rows = inverseOf(grid.steps);
  const corner = plus(plus(centre, right, (-(width - 1) / 2) * mm), down, (-(height - 1) / 2) * mm);
  const start = rows.map((row) => dot(row, plus(corner, grid.origin, -1)));
  const across = rows.map((row) => dot(row, scaled(right, mm)));
  const along = rows.map((row) => dot(row, scaled(down, mm)));
  const slice = nx * ny;
  // A voxel reaches half a step beyond its centre.
  const [topX, topY, topZ] = [nx - 0.5, ny - 0.5, nz - 0.5];
  let at = 0;
  for (let v = 0; v < height; v += 1) {
    let x = start[0] + v * along[0];
    let y = start[1] + v * along[1];
    let z = start[2] + v * along[2];
    for (let u = 0; u < width; u += 1, at += 1) {
      if (x >= -0.5 && y >= -0.5 && z >= -0.5 && x < topX && y < topY && z < topZ) {
        const cx = x < 0 ? 0 : x > nx - 1 ? nx - 1 : x;
        const cy = y < 0 ? 0 : y > ny - 1 ? ny - 1 : y;
        const cz = z < 0 ? 0 : z > nz - 1 ? nz - 1 : z;
        const x0 = cx | 0;
        const y0 = cy | 0;
        const z0 = cz | 0;
        const fx = cx - x0;
        const fy = cy - y0;
        const fz = cz - z0;
        if (!isWhole && (!isThere[z0] || (fz > 0 && !isThere[z0 + 1]))) {
          out[at] = Number.NaN;
        } else {
          const base = z0 * slice + y0 * nx + x0;
          const dx = fx > 0 ? 1 : 0;
          const dy = fy > 0 ? nx : 0;
          const dz = fz > 0 ? slice : 0;
          const a = values[base] + fx * (values[base + dx] - values[base]);
          const b = values[base + dy] + fx * (values[base + dy + dx] - values[base + dy]);
          let value = a + fy * (b - a);
          if (dz) {
            const far = base + dz;
            const c = values[far] + fx * (values[far + dx] - values[far]);
            const d = values[far + dy] + fx * (values[far + dy + dx] - values[far + dy]);
            value += fz * (c + fy * (d - c) - value);
          }
          out[at] = value;
        }
      } else {
        out[at] = Number.NaN;
      }
      x += across[0];
      y += across[1];
      z += across[2];
    }
  }
}

/** Values as greys of an RGBA picture; where there is nothing it is black. */
export function paint(values, { lower, upper }, isInverted, rgba) {
  const scale = 255 / Math.max(1e-9, upper - lower);
  for (let at = 0, to = 0; at < values.length; at += 1, to += 4) {
    const value = values[at];
    let grey = 0;
    if (value === value) {
      grey = (value - lower) * scale;
      grey = grey < 0 ? 0 : grey > 255 ? 255 : grey + 0.5;
      grey |= 0;
      if (isInverted) grey = 255 - grey;
    }
    rgba[to] = rgba[to + 1] = rgba[to + 2] = grey;
    rgba[to + 3] = 255;
  }
}
