/** Pictures of planes through a volume: linear between voxels, also through slabs. Pure. */
import { dot, plus, scaled } from "../vectors.js";
import { depthOf, inverseOf } from "./geometry.js";

export const slabs = ["average", "mip", "minip"];

/** How many planes a slab is made of: as near to one another as voxels are. */
export function layersOf({ steps }, { mm }) {
  const finest = Math.min(...steps.map((step) => Math.hypot(...step)));
  return mm > finest ? Math.max(2, Math.ceil(mm / finest)) : 1;
}

/**
 * @param {object} voxels as voxels.js keeps them
 * @param {{centre: number[], right: number[], down: number[], mm: number, width: number, height:
 *   number}} plane `centre` lies in the middle of the picture, `mm` is the size of its pixels
 * @param {{mm: number, how: "average" | "mip" | "minip"}} [slab] thickness about the plane
 * @returns {Float32Array} NaN where there is no voxel
 */
export function picture(voxels, plane, slab = { mm: 0, how: "average" }) {
  const found = new Float32Array(plane.width * plane.height);
  const steps = drawing(voxels, plane, slab, found);
  while (!steps.next().done);
  return found;
}

/** The same into `found`, a layer at a time: the picture is whole when there are no more. */
export function* drawing(voxels, plane, slab, found) {
  const depth = depthOf(plane);
  const layers = layersOf(voxels.grid, slab);
  if (layers === 1) {
    layer(voxels, plane, plane.centre, found);
    return;
  }
  const one = new Float32Array(found.length);
  const counts = slab.how === "average" ? new Uint16Array(found.length) : undefined;
  found.fill(Number.NaN);
  for (let number = 0; number < layers; number += 1) {
    const away = slab.mm * (number / (layers - 1) - 0.5);
    layer(voxels, plane, plus(plane.centre, depth, away), one);
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
    yield number;
  }
  if (counts) for (let at = 0; at < found.length; at += 1) if (counts[at]) found[at] /= counts[at];
}

/**
 * The mean of the corners that hold a value, by their weights; NaN where the nearest holds none, so that
 * what is not there neither shows nor counts.
 */
function mixed(corners, [fx, fy, fz], hole) {
  let sum = 0;
  let weights = 0;
  for (let corner = 0; corner < 8; corner += 1) {
    const value = corners[corner];
    const isNothing = value !== value || value === hole;
    const weight =
      (corner & 1 ? fx : 1 - fx) * (corner & 2 ? fy : 1 - fy) * (corner & 4 ? fz : 1 - fz);
    const isNearest =
      (corner & 1) === (fx > 0.5 ? 1 : 0) &&
      (corner & 2) === (fy > 0.5 ? 2 : 0) &&
      (corner & 4) === (fz > 0.5 ? 4 : 0);
    if (isNothing && isNearest) return Number.NaN;
    if (isNothing) continue;
    sum += weight * value;
    weights += weight;
  }
  return weights > 0 ? sum / weights : Number.NaN;
}

function layer({ grid, values, encoding, isThere, isWhole }, plane, centre, out) {
  const { right, down, mm, width, height } = plane;
  const { slope, intercept, hole } = encoding;
  const hasHoles = hole !== undefined;
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
      let found = Number.NaN;
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
        if (isWhole || (isThere[z0] && (fz === 0 || isThere[z0 + 1]))) {
          const dx = fx > 0 ? 1 : 0;
          const dy = fy > 0 ? nx : 0;
          const near = z0 * slice + y0 * nx + x0;
          const far = fz > 0 ? near + slice : near;
          const a = values[near];
          const b = values[near + dx];
          const c = values[near + dy];
          const d = values[near + dy + dx];
          const e = values[far];
          const f = values[far + dx];
          const g = values[far + dy];
          const h = values[far + dy + dx];
          const front = a + fx * (b - a) + fy * (c - a + fx * (d - c - b + a));
          const back = e + fx * (f - e) + fy * (g - e + fx * (h - g - f + e));
          found = front + fz * (back - front);
          if (
            hasHoles &&
            (found !== found ||
              a === hole ||
              b === hole ||
              c === hole ||
              d === hole ||
              e === hole ||
              f === hole ||
              g === hole ||
              h === hole)
          )
            found = mixed([a, b, c, d, e, f, g, h], [fx, fy, fz], hole);
          found = found * slope + intercept;
        }
      }
      out[at] = found;
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
