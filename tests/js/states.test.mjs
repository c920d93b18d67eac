import assert from "node:assert/strict";
import { test } from "node:test";

import { letterSize, placing } from "../../static/src/viewer/states/layer.js";
import { stateFacts, statesOf } from "../../static/src/viewer/states/list.js";
import { greyAt, greyLook } from "../../static/src/viewer/states/look.js";
import { presentation } from "../../static/src/viewer/states/presenting.js";
import { seenArea, viewOf } from "../../static/src/viewer/states/saving.js";
import { laidOut, mirroredDown, rotationOf, turnedRight } from "../../static/src/viewer/turns.js";

const element = (...values) => ({ Value: values });
const plain = {
  slope: 1,
  intercept: 0,
  modality_table: null,
  voi_table: null,
  window: null,
  presentation_table: null,
  is_inverse: false,
};
const frame = { bitsStored: 12, signed: false, samplesPerPixel: 1, slope: 1, intercept: 0 };
const near = (got, wanted, by = 1e-6) =>
  assert.ok(Math.abs(got - wanted) <= by, `${got} ${wanted}`);

test("the window of a state is a range of the values that the image displays", () => {
  const window = { center: 40, width: 400, shape: "LINEAR" };
  // The image is rescaled to HU; the state says the same.
  const ct = { ...frame, slope: 1, intercept: -1024 };
  const same = greyLook({ ...plain, intercept: -1024, window }, ct);
  assert.deepEqual(same.curve.range, { lower: -160, upper: 239 });
  assert.equal(same.inverted, false);
  // The state counts stored values: what it does not say is the identity.
  const stored = greyLook({ ...plain, window: { ...window, center: 1064 } }, ct);
  assert.deepEqual(stored.curve.range, { lower: -160, upper: 239 });
  // Twice as steep, and turned about.
  const turned = greyLook(
    { ...plain, slope: -2, window: { center: 0.5, width: 401, shape: "LINEAR" } },
    frame,
  );
  assert.deepEqual(turned.curve.range, { lower: -100, upper: 100 });
  assert.deepEqual(turned.curve.greys, [1, 0]);
  assert.equal(greyLook({ ...plain, is_inverse: true }, frame).inverted, true);
});

test("a state without a window shows every value that the bits can hold", () => {
  assert.deepEqual(greyLook(plain, frame).curve.range, { lower: 0, upper: 4095 });
  const signed = { ...frame, signed: true, slope: 2, intercept: 10 };
  const { curve } = greyLook({ ...plain, slope: 2, intercept: 10 }, signed);
  assert.deepEqual(curve.range, { lower: -4086, upper: 4104 });
  assert.deepEqual(greyLook(null, frame), {});
});

test("tables are followed to the grey of each value", () => {
  const voi = greyLook(
    { ...plain, voi_table: { first: 100, bits: 8, data: [0, 255, 128] } },
    frame,
  );
  near(greyAt(voi.curve, 100), 0);
  near(greyAt(voi.curve, 101), 1);
  near(greyAt(voi.curve, 102), 128 / 255);
  // An own modality table of the state, where the image has a slope.
  const data = Array.from({ length: 4096 }, (_, at) => 4095 - at);
  const table = { first: 0, bits: 12, data };
  const modality = greyLook(
    { ...plain, modality_table: table },
    { ...frame, slope: 2, intercept: 5 },
  );
  near(greyAt(modality.curve, 2 * 1000 + 5), 3095 / 4095, 1e-9);
  near(greyAt(modality.curve, 2 * 4095 + 5), 0, 1e-9);
  // First values below zero are written as large ones where the input has a sign.
  const signed = { ...frame, signed: true };
  const below = greyLook(
    { ...plain, voi_table: { first: 65526, bits: 8, data: [0, 255] } },
    signed,
  );
  assert.deepEqual(below.curve.range, { lower: -10, upper: -9 });
  // The presentation table comes last.
  const steps = { first: 0, bits: 8, data: [0, 0, 255, 255] };
  const { curve } = greyLook({ ...plain, presentation_table: steps }, frame);
  near(greyAt(curve, 0.3 * 4095), 0);
  near(greyAt(curve, 0.9 * 4095), 1);
});

test("what an image cannot be given is said, and never guessed", () => {
  const own = { first: 0, bits: 8, data: [0, 1, 2] };
  const tabled = { ...frame, modalityTable: own };
  assert.ok(greyLook({ ...plain, modality_table: { ...own } }, tabled).curve);
  assert.match(
    greyLook({ ...plain, modality_table: { ...own, data: [0, 1, 3] } }, tabled).why,
    /stored/,
  );
  assert.match(greyLook(plain, tabled).why, /stored/);
  assert.match(greyLook(plain, { ...frame, samplesPerPixel: 3 }).why, /another kind/);
  assert.match(greyLook(plain, { ...frame, byServer: true }).why, /another kind/);
});

test("a frame is looked up by instance and number", () => {
  const view = { grey: null, rotation: 90, is_flipped: false, area: null, graphics: [], texts: [] };
  const of = presentation({
    views: [
      { ...view, images: [["1.1", 1]] },
      {
        ...view,
        grey: plain,
        rotation: 0,
        images: [
          ["1.2", 2],
          ["1.2", 3],
        ],
      },
    ],
    left_out: ["its overlay planes"],
  });
  const at = (sopInstanceUID, number) => of({ ...frame, sopInstanceUID, frame: number });
  assert.equal(at("1.1", 1).rotation, 90);
  assert.equal(at("1.1", 2), undefined);
  assert.equal(at("1.2", 2).key, at("1.2", 3).key);
  assert.notEqual(at("1.1", 1).key, at("1.2", 2).key);
  assert.equal(at("1.2", 3).why, "Not shown: its overlay planes.");
  assert.deepEqual(at("1.2", 3).curve.range, { lower: 0, upper: 4095 });
});

test("turned and flipped as a state says, and back", () => {
  const upright = { up: [0, 1], isMirrored: false };
  assert.deepEqual(laidOut(0, false), upright);
  assert.deepEqual(laidOut(90, false).up, [-1, 0]);
  for (const rotation of [0, 90, 180, 270]) {
    for (const isFlipped of [false, true]) {
      assert.deepEqual(rotationOf(laidOut(rotation, isFlipped)), { rotation, isFlipped });
    }
  }
  // As the reader turns it: flipped, then a quarter clockwise, is the other quarter before the flip.
  const reader = turnedRight({ ...upright, isMirrored: true });
  assert.deepEqual(rotationOf(reader), { rotation: 270, isFlipped: true });
  assert.deepEqual(rotationOf(mirroredDown(upright)), { rotation: 180, isFlipped: true });
});

test("points lie where the picture or the area shown lies", () => {
  // Two CSS pixels a pixel, the picture turned by half.
  const toCanvas = ([column, row]) => [100 - 2 * (column + 0.5), 80 - 2 * (row + 0.5)];
  const size = { rows: 40, columns: 50 };
  const whole = placing(size, null, toCanvas);
  assert.deepEqual(whole([0, 0], true), [100, 80]);
  assert.deepEqual(whole([50, 40], true), [0, 0]);
  assert.deepEqual(whole([0, 0], false), [0, 0]);
  assert.deepEqual(whole([1, 0.5], false), [100, 40]);
  const part = placing(size, { edges: [10, 10, 20, 30] }, toCanvas);
  assert.deepEqual(part([0, 0], false), [60, 20]);
  assert.deepEqual(part([1, 1], false), [80, 60]);
  // What the server drew at half the size has the same places.
  const drawn = { rows: 20, columns: 25, stored: size };
  const half = placing(drawn, null, ([column, row]) => [4 * (column + 0.5), 4 * (row + 0.5)]);
  assert.deepEqual(half([50, 40], true), [100, 80]);
});

test("letters fill their box and stay legible", () => {
  assert.equal(letterSize(["Word"], [400, 26]), 20);
  assert.equal(letterSize(["A very long line of words"], [100, 100]), 11);
  assert.equal(letterSize(["A"], [900, 900]), 40);
});

test("the list says what a state is about and whether it can be applied", async () => {
  const image = (sop, ...frames) => ({
    "00081155": element(sop),
    ...(frames.length && { "00081160": element(...frames) }),
  });
  const state = (uid, kind, day) => ({
    "00080016": element(`1.2.840.10008.5.1.4.1.1.11.${kind}`),
    "00080018": element(uid),
    "00700080": element("LUNG"),
    "00700081": element(uid === "2" ? "" : "Lung window"),
    "00700082": element(day),
    "00700083": element("101500"),
    "00700084": element({ Alphabetic: "Ray^Rita" }),
    "00081115": element({ "00081140": element(image("1.1"), image("1.2", 4)) }),
  });
  const facts = stateFacts(state("1", 1, "20260102"));
  assert.equal(facts.name, "Lung window");
  assert.equal(facts.detail, "Ray, Rita 2026-01-02 10:15");
  assert.ok(facts.mayApply);
  assert.ok(facts.isAbout({ sopInstanceUID: "1.1", frame: 7 }));
  assert.ok(facts.isAbout({ sopInstanceUID: "1.2", frame: 4 }));
  assert.ok(!facts.isAbout({ sopInstanceUID: "1.2", frame: 5 }));
  assert.ok(!facts.isAbout({ sopInstanceUID: "1.3", frame: 1 }));
  const { states, failed } = await statesOf({
    series: () => [
      { uid: "a", modality: "PR" },
      { uid: "b", modality: "CT" },
      { uid: "c", modality: "OT", sopClasses: ["1.2.840.10008.5.1.4.1.1.11.4"] },
      { uid: "d", modality: "PR" },
    ],
    metadataOf: (uid) =>
      uid === "d"
        ? Promise.reject(new Error("gone"))
        : Promise.resolve(
            uid === "a"
              ? [state("1", 1, "20260102"), state("2", 1, "20260301")]
              : [state("3", 4, "20250101")],
          ),
  });
  assert.equal(failed, 1);
  assert.deepEqual(
    states.map(({ uid, name, mayApply }) => [uid, name, mayApply]),
    [
      ["2", "LUNG", true],
      ["1", "Lung window", true],
      ["3", "Lung window", false],
    ],
  );
});

test("what is saved is what is seen", () => {
  const size = { rows: 100, columns: 200 };
  assert.deepEqual(
    seenArea(
      [
        [19.5, 9.5],
        [119.5, 59.5],
      ],
      size,
    ),
    [20, 10, 120, 60],
  );
  // Turned about, and beyond the picture.
  assert.deepEqual(
    seenArea(
      [
        [250, 120],
        [100.5, -30],
      ],
      size,
    ),
    [101, 0, 200, 100],
  );
  assert.deepEqual(
    seenArea(
      [
        [300, 300],
        [400, 400],
      ],
      size,
    ),
    [0, 0, 200, 100],
  );
  const cell = {
    uid: "9.1",
    element: { clientWidth: 400, clientHeight: 200 },
    stack: {
      toPixel: ([x, y]) => [x / 2 - 0.5, y / 2 - 0.5],
      turning: { rotation: () => ({ rotation: 90, isFlipped: true }) },
      look: () => ({ isInverted: true }),
    },
    shown: {
      frame: { ...size, sopInstanceUID: "1.1", frame: 3 },
      range: { lower: -160, upper: 239 },
      shape: "LINEAR",
      color: false,
      byReader: false,
    },
  };
  assert.deepEqual(viewOf(cell), {
    series_instance_uid: "9.1",
    sop_instance_uid: "1.1",
    frame: 3,
    window: { width: 400, center: 40, function: "LINEAR" },
    is_inverse: true,
    rotation: 90,
    is_flipped: true,
    area: [0, 0, 200, 100],
  });
  // The image's own table is not a window; stretched by the reader it is.
  const table = { ...cell.shown, shape: "TABLE" };
  assert.equal(viewOf({ ...cell, shown: table }).window, null);
  assert.equal(viewOf({ ...cell, shown: { ...table, byReader: true } }).window.function, "LINEAR");
  assert.equal(viewOf({ ...cell, shown: { ...cell.shown, color: true } }).window, null);
});
