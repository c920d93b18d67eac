import assert from "node:assert/strict";
import { test } from "node:test";

import { lettersOf } from "../../static/src/viewer/orientation.js";
import { boxOf, middleOf, planesOf } from "../../static/src/viewer/volume/box.js";
import {
  edgesOf,
  rightOf,
  rolledBy,
  stands,
  turnedBy,
} from "../../static/src/viewer/volume/camera.js";
import { encodingOf } from "../../static/src/viewer/volume/encoding.js";
import { centreOf, placeOf } from "../../static/src/viewer/volume/geometry.js";
import { looks, looksOf, nodesOf } from "../../static/src/viewer/volume/looks.js";
import { createQuality } from "../../static/src/viewer/volume/quality.js";
import { picture } from "../../static/src/viewer/volume/resample.js";
import { createVoxels } from "../../static/src/viewer/volume/voxels.js";

const near = (found, wanted, limit = 1e-9) =>
  found.forEach((value, axis) =>
    assert.ok(Math.abs(value - wanted[axis]) <= limit, `${found} instead of ${wanted}`),
  );

/** What stands at top, bottom, right, left when a person in front of the reader is looked at. */
const seen = { A: "HFLR", P: "HFRL", L: "HFPA", R: "HFAP", H: "APRL", F: "APLR" };

for (const [letter, wanted] of Object.entries(seen))
  test(`letters ${stands[letter].name.toLowerCase()}`, () => {
    const { top, bottom, right, left } = edgesOf(stands[letter]);
    assert.equal([top, bottom, right, left].map(lettersOf).join(""), wanted);
    assert.equal(lettersOf(stands[letter].toward), letter);
  });

test("what is seen follows the hand", () => {
  const nose = [0, -1, 0];
  const dot = (a, b) => a.reduce((sum, value, axis) => sum + value * b[axis], 0);
  const aside = turnedBy(stands.A, 0.3, 0);
  assert.ok(Math.abs(dot(nose, rightOf(aside)) - Math.sin(0.3)) < 1e-12);
  const below = turnedBy(stands.A, 0, 0.3);
  assert.ok(Math.abs(dot(nose, below.up) + Math.sin(0.3)) < 1e-12);
  // A quarter to the right shows the patient's right side.
  near(turnedBy(stands.A, Math.PI / 2, 0).toward, stands.R.toward);
  near(rolledBy(stands.A, Math.PI / 2).up, [-1, 0, 0]);
});

test("turning many times leaves directions at right angles", () => {
  let view = stands.A;
  for (let at = 0; at < 2000; at += 1) view = turnedBy(view, 0.31, -0.17);
  const dot = view.up.reduce((sum, value, axis) => sum + value * view.toward[axis], 0);
  assert.ok(Math.abs(dot) < 1e-6);
  assert.ok(Math.abs(Math.hypot(...view.up) - 1) < 1e-6);
});

const upright = {
  size: [20, 16, 12],
  origin: [-9.5, -7.5, -11],
  steps: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 2],
  ],
};
const tilted = {
  ...upright,
  steps: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0.8, 2],
  ],
  origin: [-9.5, -11.9, -11],
};

test("a grid at right angles is its own box", () => {
  const box = boxOf(upright);
  assert.deepEqual(box.size, upright.size);
  near(box.origin, upright.origin);
  assert.deepEqual([box.isTilted, box.isCoarser], [false, false]);
});

test("a tilted grid lies within its box, at right angles", () => {
  const box = boxOf(tilted);
  assert.ok(box.isTilted);
  assert.deepEqual(box.size, [20, 25, 12]);
  near(middleOf(box), centreOf(tilted), 0.5);
  const smooth = ([x, y, z]) => 3 * x - 2 * y + 5 * z;
  const voxels = createVoxels(tilted, encodingOf([{}]));
  for (let k = 0; k < 12; k += 1)
    voxels.put(
      k,
      Float32Array.from({ length: 320 }, (_, at) =>
        smooth(placeOf(tilted, [at % 20, Math.floor(at / 20), k])),
      ),
    );
  let checked = 0;
  for (const [k, plane] of planesOf(box).entries()) {
    const values = picture(voxels, plane);
    values.forEach((value, at) => {
      if (Number.isNaN(value)) return;
      const place = [at % 20, Math.floor(at / 20), k].reduce(
        (sum, count, axis) =>
          sum.map((each, of) => each + count * box.spacing[axis] * box.ways[axis][of]),
        box.origin,
      );
      const [, row] = [place[0], (place[1] - tilted.origin[1] - 0.4 * (place[2] + 11)) / 1];
      // Beyond the centres of the outer voxels the outer value stands.
      if (row < 0 || row > 15) return;
      checked += 1;
      assert.ok(Math.abs(value - smooth(place)) < 1e-3);
    });
  }
  assert.ok(checked > 3000, String(checked));
});

test("too many voxels become fewer, even ones first", () => {
  const box = boxOf(upright, 1200);
  assert.ok(box.isCoarser);
  assert.ok(box.size.reduce((product, count) => product * count) <= 1200);
  assert.equal(box.spacing[2], 2);
  assert.equal(box.spacing[0], box.spacing[1]);
});

test("looks fit the modality", () => {
  assert.deepEqual(looksOf({ modality: "CT", rescaleType: "HU" }).slice(0, 2), [
    "greatest",
    "bone",
  ]);
  assert.deepEqual(looksOf({ modality: "CT", rescaleType: "US" }), ["greatest"]);
  assert.deepEqual(looksOf({ modality: "MR" }), ["greatest", "bright"]);
  assert.deepEqual(looksOf({ modality: "PT" }), ["greatest"]);
});

for (const [name, look] of Object.entries(looks))
  test(`${name}: rising values, colours and opacities between 0 and 1`, () => {
    const nodes = nodesOf(look, { lower: -100, upper: 300 }, 0, false);
    for (const list of Object.values(nodes)) {
      list.forEach(([value], at) => assert.ok(!at || value > list[at - 1][0]));
      for (const [, ...parts] of list) for (const part of parts) assert.ok(part >= 0 && part <= 1);
    }
    if (look.kind === "solid") assert.equal(nodes.opacities[0][1], 0, "air is not seen");
  });

test("a look of HU is moved by the reader, one of a window follows it", () => {
  const window = { lower: 0, upper: 1000 };
  assert.equal(nodesOf(looks.bone, window, 25, false).opacities[0][0], 155);
  assert.equal(nodesOf(looks.bright, window, 25, false).opacities[0][0], 350);
  assert.deepEqual(nodesOf(looks.greatest, window, 0, true).colours[0], [0, 1, 1, 1]);
});

test("pictures are as large as there is time for", () => {
  const quality = createQuality();
  const [width, height] = [1200, 900];
  const small = quality.partOf(width, height, true);
  assert.ok(small < 0.2);
  // A graphics card: everything, always.
  quality.note(100_000, 1, true);
  assert.equal(quality.partOf(width, height, true), 1);
  assert.equal(quality.partOf(width, height, false), 1);
  const slow = createQuality();
  slow.note(10_000, 45, true);
  assert.ok(Math.abs(slow.partOf(width, height, true) ** 2 * width * height - 10_000) < 1);
  // At rest there is more time, for more points on each ray.
  assert.ok(slow.partOf(width, height, false) > slow.partOf(width, height, true));
  assert.ok(slow.partOf(width, height, false) < 1);
});
