import assert from "node:assert/strict";
import { test } from "node:test";

import {
  centreOf,
  isParallel,
  nearestPlane,
  pixelOf,
  placeOf,
  planeName,
  planeOf,
  referenceLine,
  stepOf,
} from "../../static/src/viewer/geometry.js";
import { layoutName, layoutOf } from "../../static/src/viewer/grid.js";
import { anchorsOf, linkedImage, offsetOf, whyNotLinked } from "../../static/src/viewer/linking.js";
import { createPrefetcher, createShare } from "../../static/src/viewer/prefetch.js";
import { gestureOf } from "../../static/src/viewer/touch.js";

const axes = {
  axial: { row: [1, 0, 0], column: [0, 1, 0] },
  coronal: { row: [1, 0, 0], column: [0, 0, -1] },
  sagittal: { row: [0, 1, 0], column: [0, 0, -1] },
};
const frame = (orientation, position, more = {}) => ({
  orientation,
  position,
  rows: 100,
  columns: 200,
  spacing: { row: 2, column: 1, source: "patient" },
  frameOfReferenceUID: "1.2",
  ...more,
});
const plane = (...args) => planeOf(frame(...args));
const axialStack = (from, step, count, more) =>
  Array.from({ length: count }, (_, at) => plane(axes.axial, [0, 0, from + at * step], more));
const close = (found, wanted) =>
  found.forEach((value, at) => assert.ok(Math.abs(value - wanted[at]) < 1e-9, `${found}`));

test("a plane takes pixels to places and back", () => {
  const one = plane(axes.coronal, [-10, 20, 30]);
  assert.deepEqual(placeOf(one, [3, 4]), [-7, 20, 22]);
  close(pixelOf(one, [-7, 20, 22]), [3, 4]);
  // Seen along the normal: what lies before or behind falls onto the same pixel.
  close(pixelOf(one, [-7, 500, 22]), [3, 4]);
  close(centreOf(one), [-10 + 99.5, 20, 30 - 99]);
});

test("what the file does not place in the patient is no plane", () => {
  assert.equal(planeOf(frame(undefined, [0, 0, 0])), undefined);
  assert.equal(planeOf(frame(axes.axial, undefined)), undefined);
  for (const source of ["none", "ratio", "detector"]) {
    const spacing = { row: 1, column: 1, source };
    assert.equal(planeOf(frame(axes.axial, [0, 0, 0], { spacing })), undefined);
  }
  assert.equal(planeOf(undefined), undefined);
});

test("planes are named by their normal", () => {
  for (const [name, orientation] of Object.entries(axes)) {
    assert.equal(planeName(orientation), name);
  }
  assert.equal(planeName(undefined), "");
});

test("ten degrees are parallel enough, eleven are not", () => {
  const tilted = (degrees) => {
    const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
    return plane({ row: [1, 0, 0], column: [0, c, s] }, [0, 0, 0]);
  };
  const flat = plane(axes.axial, [0, 0, 0]);
  assert.ok(isParallel(flat, tilted(9.9)));
  assert.ok(!isParallel(flat, tilted(11)));
  // The other way round: scanned from the feet, or seen from above.
  assert.ok(isParallel(flat, plane({ row: [-1, 0, 0], column: [0, 1, 0] }, [0, 0, 0])));
});

test("a sagittal image cuts an axial one where it stands", () => {
  const axial = plane(axes.axial, [0, 0, 50]);
  // 30 mm to the left, from z = 100 down to -98 and from y = -20 to 179.
  const sagittal = plane(axes.sagittal, [30, -20, 100]);
  const [[x1, y1], [x2, y2]] = referenceLine(sagittal, axial);
  close([x1, x2], [30, 30]);
  // y from the axial image's own edge (-1 mm) to the sagittal image's (179.5 mm), in rows of 2 mm.
  close(
    [y1, y2].sort((a, b) => a - b),
    [-0.5, 89.75],
  );
  const cut = referenceLine(axial, sagittal);
  // The axial image lies 50 mm below the first row: row 25, from y = -1 to 199 clipped to the picture.
  close(
    cut.map(([, row]) => row),
    [25, 25],
  );
  close(
    cut.map(([column]) => column).sort((a, b) => a - b),
    [19, 199.5],
  );
});

test("no line where images do not meet, are parallel, or are of different places", () => {
  const axial = plane(axes.axial, [0, 0, 500]);
  const sagittal = plane(axes.sagittal, [30, -20, 100]);
  assert.equal(referenceLine(sagittal, axial), undefined);
  assert.equal(referenceLine(axial, plane(axes.axial, [0, 0, 50])), undefined);
  const elsewhere = plane(axes.axial, [0, 0, 50], { frameOfReferenceUID: "9" });
  assert.equal(referenceLine(sagittal, elsewhere), undefined);
  assert.equal(referenceLine(undefined, axial), undefined);
});

test("the nearest image of another series is shown, whatever its step and direction", () => {
  const source = plane(axes.axial, [0, 0, 41]);
  assert.deepEqual(linkedImage(source, axialStack(0, 5, 20), new Map()), {
    index: 8,
    distance: 1,
    beyond: false,
  });
  assert.equal(linkedImage(source, axialStack(95, -5, 20), new Map()).index, 11);
  const above = linkedImage(plane(axes.axial, [0, 0, 130]), axialStack(0, 5, 20), new Map());
  assert.deepEqual(above, { index: 19, distance: 35, beyond: true });
  assert.equal(stepOf(axialStack(0, -5, 4)), 5);
  assert.equal(nearestPlane([undefined], [0, 0, 0]), undefined);
});

test("what cannot be linked is said", () => {
  const source = plane(axes.axial, [0, 0, 0]);
  const coronal = plane(axes.coronal, [0, 0, 0]);
  const other = plane(axes.axial, [0, 0, 0], { frameOfReferenceUID: "9" });
  const nowhere = plane(axes.axial, [0, 0, 0], { frameOfReferenceUID: "" });
  assert.equal(whyNotLinked(source, coronal, new Map()), "another plane");
  assert.equal(whyNotLinked(source, other, new Map()), "another frame of reference");
  assert.equal(whyNotLinked(source, nowhere, new Map()), "no frame of reference");
  assert.equal(whyNotLinked(source, undefined, new Map()), "not placed in the patient");
  const mixed = [plane(axes.axial, [0, 0, 0]), plane(axes.sagittal, [0, 0, 0])];
  assert.deepEqual(linkedImage(source, mixed, new Map()), { why: "planes of several directions" });
  assert.deepEqual(linkedImage(source, [], new Map()), { why: "not placed in the patient" });
});

test("a prior is linked as it stood when the reader linked it", () => {
  const own = axialStack(0, 5, 20);
  const prior = axialStack(-300, 3, 40, { frameOfReferenceUID: "9" });
  const anchors = anchorsOf([own[4], prior[10], undefined]);
  // 20 mm here is -270 mm there.
  assert.equal(offsetOf(own[4], prior[0], anchors), -290);
  assert.equal(offsetOf(own[4], own[0], anchors), 0);
  assert.equal(linkedImage(own[4], prior, anchors).index, 10);
  assert.deepEqual(linkedImage(own[7], prior, anchors), { index: 15, distance: 0, beyond: false });
  assert.equal(linkedImage(own[1], prior, anchors).index, 5);
});

test("layouts have names", () => {
  assert.deepEqual(layoutOf("2x3"), { rows: 2, columns: 3 });
  assert.equal(layoutName({ rows: 4, columns: 1 }), "4x1");
  for (const name of ["0x1", "5x1", "2", "2x", "2x33"]) assert.equal(layoutOf(name), undefined);
});

test("neighbours come first, those of the viewport in use before others, and the bound is shared", async () => {
  const share = createShare(2);
  const asked = [];
  let running = 0;
  let most = 0;
  const stack = (name, isUrgent) =>
    createPrefetcher({
      share,
      isUrgent: () => isUrgent,
      async load(index) {
        asked.push(`${name}${index}`);
        running += 1;
        most = Math.max(most, running);
        await Promise.resolve();
        running -= 1;
      },
      onSettled() {},
    });
  const release = share.hold();
  const order = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const others = [stack("b", false), stack("c", false)];
  for (const other of others) other.aim(order);
  stack("a", true).aim(order, (index) => index === 2);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(asked, [], "held");
  release();
  release();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(most, 2);
  assert.deepEqual(asked.slice(0, 7), ["a0", "a1", "a3", "a4", "a5", "a6", "a7"]);
  assert.deepEqual(asked.slice(7, 11), ["b0", "c0", "b1", "c1"]);
  const farther = asked.slice(23);
  assert.deepEqual(farther, ["a8", "a9", "b8", "c8", "b9", "c9"]);
});

test("what is stopped is fetched no more, and leaves its turn to others", async () => {
  const share = createShare(1);
  const asked = [];
  const stack = (name) =>
    createPrefetcher({
      share,
      load: async (index) => asked.push(`${name}${index}`),
      onSettled() {},
    });
  const [first, second] = [stack("a"), stack("b")];
  const release = share.hold();
  first.aim([0, 1]);
  second.aim([0]);
  first.stop();
  release();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(asked, ["b0"]);
});

test("two fingers zoom or scroll", () => {
  const from = [
    [100, 100],
    [200, 100],
  ];
  assert.equal(
    gestureOf(from, [
      [100, 104],
      [200, 104],
    ]),
    undefined,
  );
  assert.deepEqual(
    gestureOf(from, [
      [50, 100],
      [250, 100],
    ]),
    { kind: "zoom", factor: 2 },
  );
  assert.deepEqual(
    gestureOf(from, [
      [100, 175],
      [200, 175],
    ]),
    { kind: "scroll", by: 3 },
  );
  assert.deepEqual(
    gestureOf(from, [
      [100, 50],
      [200, 50],
    ]),
    { kind: "scroll", by: -2 },
  );
});
