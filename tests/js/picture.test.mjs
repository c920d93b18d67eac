import assert from "node:assert/strict";
import { test } from "node:test";

import { facts } from "../../static/src/viewer/picture.js";

const element = (...values) => ({ Value: values });
const dataset = {
  "00080020": element("20260102"),
  "00080022": element("20260103"),
  "00080032": element("101500"),
  "00100010": element({ Alphabetic: "DOE^Jane" }),
  "00100020": element("P-1"),
  "00081030": element("Knee of Jane Doe"),
  "0008103E": element("AP"),
  "00200011": element(3),
  "00200060": element("L"),
  "00282110": element("01"),
};
const shown = {
  index: 4,
  count: 9,
  range: { lower: -160, upper: 239 },
  shape: "LINEAR",
  zoom: 1.5,
  perPixel: 2,
  inverted: false,
  color: false,
  frame: { dataset, modality: "CR", spacing: { source: "patient" }, frame: 1, frames: 1 },
};
const identity = { id: "P-1", name: "DOE^Jane" };

test("a picture with names says whose it is, what it is of, and what it is not for", () => {
  const found = facts(shown, { isNamed: true, isLossy: true, identity });
  assert.equal(
    found.topLeft,
    "DOE, Jane\nP-1\nKnee of Jane Doe\n2026-01-03  10:15:00\nStudy of 2026-01-02",
  );
  assert.match(found.topRight, /Series 3 {2}CR\nAP/);
  assert.match(found.topRight, /Left/);
  assert.match(found.bottomLeft, /W 400 {2}L 40/);
  assert.match(found.bottomRight, /Lossy compressed/);
  assert.match(found.bottomRight, /Image 5\/9/);
  assert.equal(found.foot, "Not for diagnosis · saved with losses (JPEG)");
});

test("a picture under another patient's banner says so", () => {
  const other = { id: "P-2", name: "ROE^Rick" };
  const { topLeft } = facts(shown, { isNamed: true, isLossy: false, identity: other });
  assert.match(topLeft, /Banner says: ROE, Rick, ID P-2/);
});

test("a picture without names says nothing that could be looked up", () => {
  const found = facts(shown, { isNamed: false, isLossy: false, identity });
  assert.deepEqual(found, {
    topLeft: "",
    topRight: "",
    bottomLeft: "Zoom 150 %\nW 400  L 40",
    bottomRight: "Lossy compressed",
    foot: "Not for diagnosis",
  });
});
