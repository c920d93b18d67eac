import assert from "node:assert/strict";
import { test } from "node:test";

import { locationOf, sortFrames } from "../../static/src/viewer/sorting.js";

const axial = { row: [1, 0, 0], column: [0, 1, 0] };
const sagittal = { row: [0, 1, 0], column: [0, 0, -1] };

function slice(instanceNumber, z, orientation = axial, extra = {}) {
  return {
    instanceNumber,
    sopInstanceUID: `1.2.${instanceNumber}`,
    frame: 1,
    orientation,
    position: [0, 0, z],
    ...extra,
  };
}

const numbers = (frames) => frames.map(({ instanceNumber }) => instanceNumber);

test("location is the distance along the normal", () => {
  assert.equal(locationOf(slice(1, 12.5)), 12.5);
  assert.equal(locationOf({ orientation: axial }), undefined);
});

test("parallel slices are sorted by place, in the direction of the numbering", () => {
  assert.deepEqual(numbers(sortFrames([slice(3, 10), slice(1, 30), slice(2, 20)])), [1, 2, 3]);
  assert.deepEqual(numbers(sortFrames([slice(3, 30), slice(1, 10), slice(2, 20)])), [1, 2, 3]);
});

test("place wins over a number that is out of order", () => {
  const frames = [slice(1, 50), slice(2, 40), slice(9, 30), slice(4, 20), slice(5, 10)];
  assert.deepEqual(numbers(sortFrames(frames)), [1, 2, 9, 4, 5]);
});

test("slices without numbers are sorted by place", () => {
  const frames = [30, 10, 20].map((z, at) =>
    slice(undefined, z, axial, { sopInstanceUID: `1.${at}` }),
  );
  const places = sortFrames(frames).map(locationOf);
  assert.ok(
    String(places) === "10,20,30" || String(places) === "30,20,10",
    `not monotonic: ${places}`,
  );
});

test("several planes, and series that return to a place, keep the scanner's order", () => {
  assert.deepEqual(numbers(sortFrames([slice(2, 10), slice(1, 0, sagittal)])), [1, 2]);
  const phases = [slice(4, 20), slice(3, 10), slice(2, 20), slice(1, 10)];
  assert.deepEqual(numbers(sortFrames(phases)), [1, 2, 3, 4]);
});

test("projections are sorted by number, frames of a clip by frame", () => {
  const clip = (frame) => ({ instanceNumber: 2, sopInstanceUID: "1.2", frame });
  const sorted = sortFrames([
    clip(3),
    { instanceNumber: 10, sopInstanceUID: "1.1", frame: 1 },
    clip(1),
    clip(2),
  ]);
  assert.deepEqual(
    sorted.map(({ instanceNumber, frame }) => [instanceNumber, frame]),
    [
      [2, 1],
      [2, 2],
      [2, 3],
      [10, 1],
    ],
  );
});

test("the result does not depend on the order of arrival", () => {
  const frames = [slice(1, 50), slice(2, 40), slice(9, 30), slice(4, 20), slice(5, 10)];
  const expected = numbers(sortFrames(frames));
  for (let turn = 1; turn < frames.length; turn += 1) {
    const turned = [...frames.slice(turn), ...frames.slice(0, turn)];
    assert.deepEqual(numbers(sortFrames(turned)), expected);
    assert.deepEqual(numbers(sortFrames(turned.reverse())), expected);
  }
});

test("nothing and one stay as they are", () => {
  assert.deepEqual(sortFrames([]), []);
  assert.equal(sortFrames([slice(1, 0)]).length, 1);
});
