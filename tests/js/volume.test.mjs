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
import { createVolume } from "../../static/src/viewer/volume/volume.js";

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

async function filled(frames, body) {
  const entries = frames.map((frame, at) => ({ frame, imageId: String(at) }));
  const volume = createVolume(entries, async (id) => {
    const { orientation, position, rows, columns, spacing } = frames[Number(id)];
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
  });
  await volume.fill(() => {});
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
  test(`${name}: each plane shows what is in the body there`, async () => {
    const volume = await filled(series(how), smooth);
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

test("left is on the right of the screen, front at the top, head at the top", async () => {
  const volume = await filled(series(acquisitions["feet first, prone"]), inBody);
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

test("beyond the voxels there is nothing, and black", async () => {
  const volume = await filled(series(acquisitions.axial), () => 40);
  const plane = { centre: [0, 0, 0], ...planes.axial, mm: 4, width: 21, height: 3 };
  const values = picture(volume, plane);
  assert.ok(Number.isNaN(values[0]));
  assert.equal(values[21 + 10], 40);
  const rgba = new Uint8ClampedArray(values.length * 4);
  paint(values, { lower: 0, upper: 100 }, true, rgba);
  assert.deepEqual([...rgba.slice(0, 4)], [0, 0, 0, 255]);
  assert.equal(rgba[(21 + 10) * 4], 153);
});

test("slabs: the largest, the smallest, the mean of what lies in them", async () => {
  const bright = ([, , z]) => (Math.abs(z - 3) < 0.6 ? 900 : 100);
  const volume = await filled(series({ ...acquisitions.axial, count: 17 }), bright);
  const plane = { centre: [0, 0, 1], ...planes.axial, mm: 1, width: 3, height: 3 };
  // Slices lie at even places; the bright one is none of them, so that it shows nowhere.
  assert.equal(picture(volume, plane, { mm: 6, how: "mip" })[4], 100);
  const ramp = await filled(series({ ...acquisitions.axial, count: 17 }), ([, , z]) => z);
  const value = (how) => picture(ramp, plane, { mm: 6, how })[4];
  assert.ok(Math.abs(value("mip") - 4) < 1e-5);
  assert.ok(Math.abs(value("minip") + 2) < 1e-5);
  assert.ok(Math.abs(value("average") - 1) < 1e-5);
});

test("slices that have not come are not made up", async () => {
  const frames = series({ ...acquisitions.axial, shuffle: false });
  const entries = frames.map((frame, number) => ({ frame, imageId: String(number) }));
  const volume = createVolume(entries, async (id) => {
    if (id === "4") throw new Error("gone");
    return new Float32Array(20 * 24).fill(7);
  });
  await volume.fill(() => {});
  assert.equal(volume.failed, 1);
  assert.equal(volume.isWhole, false);
  const plane = { ...planes.axial, mm: 1, width: 1, height: 1 };
  const near = (k) => picture(volume, { ...plane, centre: placeOf(volume.grid, [12, 10, k]) })[0];
  assert.ok(Number.isNaN(near(4)));
  assert.ok(Number.isNaN(near(3.5)));
  assert.equal(near(3), 7);
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
  "too large": (frames) => frames.map((frame) => ({ ...frame, rows: 5000, columns: 5000 })),
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
