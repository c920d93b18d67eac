import assert from "node:assert/strict";
import { test } from "node:test";

import {
  cornersOn,
  framesOn,
  isSegmentation,
  rgbOfLab,
  segmentationOf,
} from "../../static/src/viewer/segments/list.js";
import { createMasks, partsOf, shareOf, valuesOf } from "../../static/src/viewer/segments/masks.js";
import { createSegments } from "../../static/src/viewer/segments/store.js";

const element = (...values) => ({ Value: values });
const sequence = (...items) => ({ Value: items });
const storage = "1.2.840.10008.5.1.4.1.1.66.";
const reference = "9.9";

function frameGroups(segment, z, sources = []) {
  return {
    "0062000A": sequence({ "0062000B": element(segment) }),
    "00209113": sequence({ "00200032": element(0, 0, z) }),
    ...(sources.length && {
      "00089124": sequence({
        "00082112": sequence(
          ...sources.map(([sop, ...frames]) => ({
            "00081155": element(sop),
            ...(frames.length && { "00081160": element(...frames) }),
          })),
        ),
      }),
    }),
  };
}

function segmentation(frames, more = {}) {
  return {
    "00080016": element(`${storage}4`),
    "00080018": element("5.1"),
    "0020000E": element("5"),
    "0008103E": element("Lungs"),
    "00200052": element(reference),
    "00280008": element(frames.length),
    "00280010": element(10),
    "00280011": element(7),
    "00280100": element(1),
    "00620001": element("BINARY"),
    "00620002": sequence(
      { "00620004": element(1), "00620005": element("Left"), "00620008": element("MANUAL") },
      {
        "00620004": element(2),
        "00620005": element("<b>Right</b>"),
        "00620008": element("AUTOMATIC"),
        "0062000D": element(65535, 32896, 32896),
      },
    ),
    52009229: sequence({
      "00209116": sequence({ "00200037": element(1, 0, 0, 0, 1, 0) }),
      "00289110": sequence({ "00280030": element(2, 2), "00180050": element(3) }),
    }),
    52009230: sequence(...frames),
    ...more,
  };
}

const picture = (z, more = {}) => ({
  sopInstanceUID: "1.1",
  frame: 1,
  rows: 10,
  columns: 7,
  position: [0, 0, z],
  orientation: { row: [1, 0, 0], column: [0, 1, 0] },
  spacing: { row: 2, column: 2, source: "patient" },
  frameOfReferenceUID: reference,
  dataset: {},
  ...more,
});

test("segments have their names and colours, their own or safe ones", () => {
  const found = segmentationOf(segmentation([frameGroups(1, 0), frameGroups(2, 0)]));
  assert.equal(found.name, "Lungs");
  assert.deepEqual(
    found.segments.map(({ number, label, detail }) => [number, label, detail]),
    [
      [1, "Left", ""],
      [2, "<b>Right</b>", "automatic"],
    ],
  );
  assert.deepEqual(found.segments[0].colour, [230, 159, 0]);
  assert.deepEqual(found.segments[1].colour, [255, 255, 255]);
  assert.deepEqual(
    found.frames.map(({ number, segment }) => [number, segment]),
    [
      [1, 1],
      [2, 2],
    ],
  );
  assert.ok(isSegmentation(`${storage}4`));
  assert.ok(isSegmentation(`${storage}7`));
  assert.ok(!isSegmentation(`${storage}1`));
  assert.ok(!isSegmentation(undefined));
});

test("CIELab is sRGB", () => {
  // L 54.29, a 80.8, b 69.89 is the red of sRGB; L 87.82, a -79.27, b 80.99 its green.
  const encoded = ([l, a, b]) => [(l * 65535) / 100, (a + 128) * 257, (b + 128) * 257];
  for (const [lab, rgb] of [
    [
      [54.29, 80.8, 69.89],
      [255, 0, 0],
    ],
    [
      [87.82, -79.27, 80.99],
      [0, 255, 0],
    ],
    [
      [29.57, 68.3, -112.03],
      [0, 0, 255],
    ],
    [
      [0, 0, 0],
      [0, 0, 0],
    ],
  ]) {
    for (const [at, value] of rgbOfLab(encoded(lab)).entries()) {
      assert.ok(Math.abs(value - rgb[at]) <= 3, `${lab}: ${value} ${rgb[at]}`);
    }
  }
});

test("frames of ten rows of seven bits begin within a byte, and are packed as they come", () => {
  const size = { bits: 1, rows: 3, columns: 3 };
  // 1 0 1 / 0 1 0 / 1 0 1: the first in the lowest bit.
  assert.deepEqual(
    Array.from(valuesOf(Uint8Array.of(0b01010101, 1), size)),
    [1, 0, 1, 0, 1, 0, 1, 0, 1],
  );
  const bytes = { bits: 8, rows: 1, columns: 2 };
  assert.deepEqual(Array.from(valuesOf(Uint8Array.of(7, 255, 9), bytes)), [7, 255]);
  const words = { bits: 16, rows: 1, columns: 2 };
  assert.deepEqual(Array.from(valuesOf(Uint8Array.of(1, 2, 3, 0), words)), [513, 3]);
  assert.equal(shareOf(127, 1, { kind: "FRACTIONAL", most: 254 }), 0.5);
  assert.equal(shareOf(1, 4, { kind: "BINARY", most: 1 }), 1);
  assert.equal(shareOf(3, 3, { kind: "LABELMAP", most: 1 }), 1);
  assert.equal(shareOf(2, 3, { kind: "LABELMAP", most: 1 }), 0);
});

test("a frame lies on the pictures it was made of, else on those of its plane", () => {
  const found = segmentationOf(
    segmentation([
      frameGroups(1, 0, [["1.1"]]),
      frameGroups(2, 0, [["1.1", 2]]),
      frameGroups(1, 6, [["1.3"]]),
    ]),
  );
  const numbers = (frame) => framesOn(found, frame).map(({ number }) => number);
  assert.deepEqual(numbers(picture(0)), [1]);
  assert.deepEqual(numbers(picture(0, { frame: 2 })), [1, 2]);
  // Another series in the same place of the same patient.
  assert.deepEqual(numbers(picture(6, { sopInstanceUID: "7.7" })), [3]);
  assert.deepEqual(numbers(picture(7.4, { sopInstanceUID: "7.7" })), [3]);
  assert.deepEqual(numbers(picture(7.6, { sopInstanceUID: "7.7" })), []);
  assert.deepEqual(numbers(picture(6, { sopInstanceUID: "7.7", frameOfReferenceUID: "8" })), []);
  const sagittal = { orientation: { row: [0, 1, 0], column: [0, 0, -1] } };
  assert.deepEqual(numbers(picture(6, { sopInstanceUID: "7.7", ...sagittal })), []);
});

test("corners are placed by the patient, or pixel on pixel", () => {
  const found = segmentationOf(segmentation([frameGroups(1, 0, [["1.1"]])]));
  const [one] = found.frames;
  assert.deepEqual(cornersOn(found, one, picture(0)), [
    [-0.5, -0.5],
    [6.5, -0.5],
    [-0.5, 9.5],
  ]);
  // A picture of pixels half as large that begins 4 mm to the left.
  const fine = picture(0, {
    rows: 40,
    columns: 40,
    position: [-4, 0, 0],
    spacing: { row: 1, column: 1, source: "patient" },
  });
  assert.deepEqual(cornersOn(found, one, fine), [
    [3, -1],
    [17, -1],
    [3, 19],
  ]);
  const unplaced = { ...one, plane: undefined };
  assert.deepEqual(cornersOn(found, unplaced, picture(0))[1], [6.5, -0.5]);
  assert.equal(cornersOn(found, unplaced, fine), undefined);
});

test("what cannot be read says why", () => {
  const frames = [frameGroups(1, 0)];
  assert.match(segmentationOf(segmentation(frames, { "00280100": element(32) })).why, /pixels/);
  assert.match(segmentationOf(segmentation(frames, { "00620002": sequence() })).why, /segments/);
  assert.match(segmentationOf(segmentation([{}])).why, /which frame/);
  const map = segmentationOf(
    segmentation([{}], { "00080016": element(`${storage}7`), "00280100": element(8) }),
  );
  assert.equal(map.why, undefined);
  assert.equal(map.frames[0].segment, undefined);
});

test("parts are cut at their boundary, whatever bytes they hold", () => {
  const bytes = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const head = "Content-Type: application/octet-stream\r\n\r\n";
  const body = bytes(`--b\r\n${head}\xff\r\n--\x00\r\n--b\r\n${head}\x01\r\n--b--`);
  const parts = partsOf(body, 'multipart/related; type="application/octet-stream"; boundary="b"');
  assert.deepEqual(
    parts.map((part) => Array.from(part)),
    [[255, 13, 10, 45, 45, 0], [1]],
  );
  assert.throws(() => partsOf(body, "application/octet-stream"), /broken/);
});

test("frames are asked for once, together, and again when they failed", async () => {
  const asked = [];
  let isDown = true;
  globalThis.location = { href: "http://portal.test/" };
  const before = globalThis.fetch;
  globalThis.fetch = async (url) => {
    asked.push(String(url));
    if (isDown) return new Response("", { status: 503 });
    const count = String(url).split("/").at(-1).split(",").length;
    const part = "--b\r\nContent-Type: application/octet-stream\r\n\r\n\x03";
    return new Response(`${Array(count).fill(part).join("\r\n")}\r\n--b--`, {
      headers: { "Content-Type": "multipart/related; boundary=b" },
    });
  };
  try {
    const size = { bits: 1, rows: 1, columns: 2 };
    const masks = createMasks(size, (numbers) => `/frames/${numbers.join(",")}`);
    await assert.rejects(masks.load([1, 2]), /server/);
    isDown = false;
    await masks.load([1, 2]);
    await masks.load([2, 3]);
    assert.deepEqual(Array.from(masks.here(3)), [3]);
    // Too few bytes are no frame.
    const larger = createMasks({ bits: 8, rows: 2, columns: 2 }, () => "/frames/9");
    await assert.rejects(larger.load([9]), /broken/);
    asked.pop();
    await masks.prefetch([1, 2, 3, 4]);
    assert.deepEqual(
      asked.map((url) => url.replace("http://portal.test", "")),
      ["/frames/1,2", "/frames/1,2", "/frames/3", "/frames/4"],
    );
  } finally {
    globalThis.fetch = before;
  }
});

test("what was chosen stays chosen while the study grows", async () => {
  const first = segmentation([frameGroups(1, 0), frameGroups(2, 0)]);
  const held = [{ uid: "5", modality: "SEG" }];
  const store = createSegments({
    series: () => held,
    metadataOf: (uid) =>
      uid === "5" ? Promise.resolve([first]) : Promise.reject(new Error("gone")),
    framesURL: () => "",
  });
  let told = 0;
  store.subscribe(() => {
    told += 1;
  });
  const { segmentations } = await store.list();
  const [one] = segmentations;
  store.choose(one, [one.segments[1]], true);
  assert.deepEqual(
    store.shown().map(({ segments }) => segments.map(({ number }) => number)),
    [[2]],
  );
  held.push({ uid: "6", modality: "SEG" });
  const again = await store.list();
  assert.equal(again.failed, 1);
  assert.equal(again.segmentations[0], one);
  assert.ok(store.isChosen(one, one.segments[1]));
  store.choose(one, one.segments, false);
  assert.deepEqual(store.shown(), []);
  assert.equal(told, 2);
});
