import assert from "node:assert/strict";
import { test } from "node:test";

import {
  NoVolume,
  centreOf,
  depthOf,
  gridOf,
  placeOf,
  planes,
  stepAlong,
  turned,
  voxelAt,
} from "../../static/src/viewer/volume/geometry.js";
import { paint, picture } from "../../static/src/viewer/volume/resample.js";
import { encodingOf } from "../../static/src/viewer/volume/encoding.js";
import { serve } from "../../static/src/viewer/volume/serving.js";
import { createVolume } from "../../static/src/viewer/volume/volume.js";
import { createVoxels } from "../../static/src/viewer/volume/voxels.js";

/** What a body holds at a place: another value in each octant, and linear along each axis. */
const inBody = ([x, y, z]) => 3 * x - 2 * y + 5 * z + (x > 0 ? 1000 : 0) + (y > 0 ? 100 : 0);
const smooth = ([x, y, z]) => 3 * x - 2 * y + 5 * z;

const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

/** Frames of a series whose middle is the origin. */
function series({
  row,
  column,
  step,
  count = 16,
  size = [24, 20],
  mm = [1.5, 1.25],
  shuffle = true,
}) {
  const normal = cross(row, column);
  const lead = step ?? normal.map((value) => value * 2);
  const frames = Array.from({ length: count }, (_, k) => {
    const position = [0, 1, 2].map(
      (axis) =>
        (-(size[0] - 1) / 2) * mm[0] * row[axis] +
        (-(size[1] - 1) / 2) * mm[1] * column[axis] +
        (k - (count - 1) / 2) * lead[axis],
    );
    return {
      rows: size[1],
      columns: size[0],
      samplesPerPixel: 1,
      orientation: { row, column },
      position,
      spacing: { row: mm[1], column: mm[0], source: "patient" },
      frameOfReferenceUID: "1.2",
    };
  });
  return shuffle ? frames.map((_, at) => frames[(at * 5 + 3) % count]) : frames;
}

/** Values of a frame of a body. */
const sliceOf = (frame, body) => {
  const { orientation, position, rows, columns, spacing } = frame;
  return Float32Array.from({ length: rows * columns }, (_, at) => {
    const [i, j] = [at % columns, Math.floor(at / columns)];
    return body(
      position.map(
        (value, axis) =>
          value +
          i * spacing.column * orientation.row[axis] +
          j * spacing.row * orientation.column[axis],
      ),
    );
  });
};

function filled(frames, body) {
  const grid = gridOf(frames);
  const voxels = createVoxels(grid, encodingOf(frames));
  for (const [slice, frame] of grid.frames.entries()) voxels.put(slice, sliceOf(frame, body));
  return voxels;
}

/** A volume and its server, with real messages between them. */
function served(t, frames, load) {
  const { port1, port2 } = new MessageChannel();
  serve(port2);
  const entries = frames.map((frame, at) => ({ frame, imageId: String(at) }));
  const volume = createVolume(entries, load, port1);
  t.after(() => volume.close());
  return volume;
}

const at = (value) => [Math.cos(value), Math.sin(value)];
const acquisitions = {
  axial: { row: [1, 0, 0], column: [0, 1, 0] },
  "feet first, prone": { row: [-1, 0, 0], column: [0, -1, 0] },
  sagittal: { row: [0, 1, 0], column: [0, 0, -1] },
  coronal: { row: [1, 0, 0], column: [0, 0, -1] },
  oblique: {
    row: [at(0.3)[0], at(0.3)[1], 0],
    column: [-at(0.3)[1] * at(0.2)[0], at(0.3)[0] * at(0.2)[0], at(0.2)[1]],
  },
  "tilted gantry": { row: [1, 0, 0], column: [0, 1, 0], step: [0, 0.8, 2] },
};

for (const [name, how] of Object.entries(acquisitions)) {
  test(`${name}: each plane shows what is in the body there`, () => {
    const volume = filled(series(how), smooth);
    assert.ok(volume.isWhole);
    for (const { right, down } of Object.values(planes)) {
      const plane = { centre: [1.3, -0.7, 2.1], right, down, mm: 0.9, width: 11, height: 9 };
      const values = picture(volume, plane);
      for (let v = 0; v < 9; v += 1) {
        for (let u = 0; u < 11; u += 1) {
          const place = plane.centre.map(
            (value, axis) => value + (u - 5) * 0.9 * right[axis] + (v - 4) * 0.9 * down[axis],
          );
          assert.ok(Math.abs(values[v * 11 + u] - smooth(place)) < 1e-3, `${name} ${u} ${v}`);
        }
      }
    }
  });
}

test("left is on the right of the screen, front at the top, head at the top", () => {
  const volume = filled(series(acquisitions["feet first, prone"]), inBody);
  const show = (name) =>
    picture(volume, { centre: [0, 0, 0], ...planes[name], mm: 8, width: 3, height: 3 });
  const axial = show("axial");
  assert.ok(axial[5] - axial[3] > 1000, "the patient's left");
  assert.ok(axial[7] - axial[1] > 60, "posterior below");
  const coronal = show("coronal");
  assert.ok(coronal[5] - coronal[3] > 1000);
  assert.ok(coronal[1] > coronal[7], "head above");
  const sagittal = show("sagittal");
  assert.ok(sagittal[5] - sagittal[3] > 60, "posterior on the right");
  assert.deepEqual(depthOf(planes.axial), [0, 0, 1]);
});

test("voxels and places lead to one another, tilted too", () => {
  const grid = gridOf(series(acquisitions["tilted gantry"]));
  const voxel = [3.25, 7.5, 2];
  voxelAt(grid, placeOf(grid, voxel)).forEach((value, axis) =>
    assert.ok(Math.abs(value - voxel[axis]) < 1e-9),
  );
  assert.ok(Math.hypot(...centreOf(grid)) < 1e-9);
});

test("beyond the voxels there is nothing, and black", () => {
  const volume = filled(series(acquisitions.axial), () => 40);
  const plane = { centre: [0, 0, 0], ...planes.axial, mm: 4, width: 21, height: 3 };
  const values = picture(volume, plane);
  assert.ok(Number.isNaN(values[0]));
  assert.equal(values[21 + 10], 40);
  const rgba = new Uint8ClampedArray(values.length * 4);
  paint(values, { lower: 0, upper: 100 }, true, rgba);
  assert.deepEqual([...rgba.slice(0, 4)], [0, 0, 0, 255]);
  assert.equal(rgba[(21 + 10) * 4], 153);
});

test("slabs: the largest, the smallest, the mean of what lies in them", () => {
  const bright = ([, , z]) => (Math.abs(z - 3) < 0.6 ? 900 : 100);
  const volume = filled(series({ ...acquisitions.axial, count: 17 }), bright);
  const plane = { centre: [0, 0, 1], ...planes.axial, mm: 1, width: 3, height: 3 };
  // Slices lie at even places; the bright one is none of them, so that it shows nowhere.
  assert.equal(picture(volume, plane, { mm: 6, how: "mip" })[4], 100);
  const ramp = filled(series({ ...acquisitions.axial, count: 17 }), ([, , z]) => z);
  const value = (how) => picture(ramp, plane, { mm: 6, how })[4];
  assert.ok(Math.abs(value("mip") - 4) < 1e-5);
  assert.ok(Math.abs(value("minip") + 2) < 1e-5);
  assert.ok(Math.abs(value("average") - 1) < 1e-5);
});

const dot1 = { ...planes.axial, mm: 1, width: 1, height: 1 };

test("slices that have not come are not made up", async (t) => {
  const frames = series({ ...acquisitions.axial, shuffle: false });
  const volume = served(t, frames, async (id) => {
    if (id === "4") throw new Error("gone");
    return new Float32Array(20 * 24).fill(7);
  });
  await volume.fill(() => {});
  assert.equal(volume.failed, 1);
  assert.equal(volume.isWhole, false);
  const slab = { mm: 0, how: "mip" };
  const near = async (k) =>
    (await volume.picture("a", { ...dot1, centre: placeOf(volume.grid, [12, 10, k]) }, slab))[0];
  assert.ok(Number.isNaN(await near(4)));
  assert.ok(Number.isNaN(await near(3.5)));
  assert.equal(await near(3), 7);
});

test("of each view the newest picture comes, what it overtook does not", async (t) => {
  const frames = series({ ...acquisitions.axial, shuffle: false });
  const volume = served(t, frames, async () => new Float32Array(20 * 24).fill(7));
  await volume.fill(() => {});
  const large = { ...planes.axial, centre: [0, 0, 0], mm: 0.1, width: 900, height: 900 };
  const slab = { mm: 30, how: "average" };
  const first = volume.picture("axial", large, slab);
  const other = volume.picture("coronal", { ...large, ...planes.coronal }, slab);
  const second = volume.picture("axial", large, slab);
  const third = volume.picture("axial", large, { mm: 0, how: "mip" });
  assert.equal(await second, undefined);
  assert.equal((await third)[900 * 450 + 450], 7);
  assert.equal((await other)[900 * 450 + 450], 7);
  assert.equal(await first, undefined);
});

/** Frames as CT writes them: 16 bits, whole HU. */
const stored = (frames, more = {}) =>
  frames.map((frame) => ({
    ...frame,
    bitsAllocated: 16,
    signed: true,
    slope: 1,
    intercept: -24,
    ...more,
  }));

test("two bytes a voxel where all frames share a scale, exactly", () => {
  const frames = stored(series(acquisitions.axial), { slope: 0.5, intercept: -1000.25 });
  const body = ([x, , z]) => Math.round(2 * (4 * x + z)) / 2 - 0.25;
  const voxels = filled(frames, body);
  assert.equal(voxels.values.constructor, Int16Array);
  for (const k of [0, 7, 15]) {
    const place = placeOf(voxels.grid, [3, 5, k]);
    assert.equal(picture(voxels, { ...dot1, centre: place })[0], body(place));
  }
});

test("frames of different scales, tables and values that do not fit are kept as floats", () => {
  const frames = stored(series(acquisitions.axial));
  assert.equal(encodingOf(frames).type, "Int16Array");
  assert.equal(encodingOf(stored(frames, { signed: false })).type, "Uint16Array");
  const odd = [{ ...frames[0], slope: 2 }, ...frames.slice(1)];
  assert.equal(encodingOf(odd).type, "Float32Array");
  assert.equal(encodingOf(stored(frames, { modalityTable: {} })).type, "Float32Array");
  assert.equal(encodingOf(stored(frames, { bitsAllocated: 32 })).type, "Float32Array");
  // A header that says less than the pixels hold.
  const voxels = filled(frames, ([, , z]) => (z > 0 ? 90000 : 12));
  assert.equal(voxels.values.constructor, Float32Array);
  const near = (z) => picture(voxels, { ...dot1, centre: [0, 0, z] })[0];
  assert.deepEqual([near(8), near(-8)], [90000, 12]);
});

for (const [name, more] of Object.entries({
  "one padding": { padding: -2000 },
  "a range of paddings": { padding: -2000, paddingLimit: -1990 },
  "as floats": { padding: -2000, bitsAllocated: 32 },
}))
  test(`padding is no value: ${name}`, () => {
    const frames = stored(series({ ...acquisitions.axial, count: 17 }), more);
    const holes = { from: -2024.5, to: (more.paddingLimit ?? -2000) - 24 + 0.5 };
    const grid = gridOf(frames);
    const voxels = createVoxels(grid, encodingOf(frames));
    const isOut = ([x, , z]) => x > 6 || Math.abs(z - 4) < 1;
    const body = (place) => (isOut(place) ? holes.to - 0.5 : 50);
    for (const [slice, frame] of grid.frames.entries())
      voxels.put(slice, sliceOf(frame, body), holes);
    const near = (centre, slab) => picture(voxels, { ...dot1, centre }, slab)[0];
    // In a slab that reaches through it, and beside it: neither darker nor less.
    for (const how of ["mip", "minip", "average"])
      assert.equal(near([0, 0, 2], { mm: 10, how }), 50, how);
    assert.equal(near([5.7, 0, 0]), 50, "nearer to the body than to the padding");
    assert.ok(Number.isNaN(near([6.3, 0, 0])), "nearer to the padding");
    assert.ok(Number.isNaN(near([0, 0, 4])));
  });

test("a series too large is used in part, evenly, and says so", () => {
  const large = { rows: 1024, columns: 1024 };
  const frames = series({ ...acquisitions.axial, count: 899 }).map((frame) => ({
    ...frame,
    ...large,
  }));
  const whole = gridOf(frames.slice(), 1);
  assert.deepEqual([whole.every, whole.size[2]], [1, 899]);
  const grid = gridOf(frames, 2);
  assert.deepEqual([grid.every, grid.total, grid.size[2]], [2, 899, 450]);
  assert.deepEqual(grid.steps[2], [0, 0, 4]);
  grid.frames.forEach(({ position }, k) =>
    assert.ok(Math.abs(position[2] - placeOf(grid, [0, 0, k])[2]) < 1e-9),
  );
});

test("positions that files round are no gaps", () => {
  const frames = series({ ...acquisitions.axial, step: [0, 0, 0.625], count: 60, shuffle: false });
  const rounded = frames.map((frame) => ({
    ...frame,
    position: frame.position.map((value) => Math.round(value * 10) / 10),
  }));
  assert.equal(gridOf(rounded).size[2], 60);
});

test("a step through a plane is the distance of slices there", () => {
  const grid = gridOf(series(acquisitions.axial));
  assert.equal(stepAlong(grid, [0, 0, 1]), 2);
  assert.equal(stepAlong(grid, [1, 0, 0]), 1.5);
});

const refusals = {
  "three images": (frames) => frames.slice(0, 2),
  missing: (frames) => frames.filter((_, number) => number !== 5),
  "same place": (frames) => [...frames, { ...frames[0] }],
  "one size": (frames) => [{ ...frames[0], rows: 10 }, ...frames.slice(1)],
  parallel: (frames) => [
    { ...frames[0], orientation: { row: [0, 1, 0], column: [0, 0, 1] } },
    ...frames.slice(1),
  ],
  "in colour": (frames) => frames.map((frame) => ({ ...frame, samplesPerPixel: 3 })),
  "where in the body": (frames) => [{ ...frames[0], position: undefined }, ...frames.slice(1)],
  "how far their pixels": (frames) =>
    frames.map((frame) => ({ ...frame, spacing: { ...frame.spacing, source: "none" } })),
  "in one place": (frames) => [{ ...frames[0], frameOfReferenceUID: "9" }, ...frames.slice(1)],
  "too large": (frames) => frames.map((frame) => ({ ...frame, rows: 20000, columns: 20000 })),
};

for (const [words, change] of Object.entries(refusals)) {
  test(`no volume: ${words}`, () => {
    const frames = change(series({ ...acquisitions.axial, shuffle: false }));
    assert.throws(
      () => gridOf(frames),
      (error) => error instanceof NoVolume && error.message.includes(words),
    );
  });
}

test("a direction turns about an axis", () => {
  const found = turned([1, 0, 0], [0, 0, 1], Math.PI / 2);
  found.forEach((value, axis) => assert.ok(Math.abs(value - [0, 1, 0][axis]) < 1e-12));
});
