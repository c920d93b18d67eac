import assert from "node:assert/strict";
import { test } from "node:test";

import {
  asDrawn,
  filledTable,
  frameDataset,
  frameRate,
  framesOf,
  orientation,
} from "../../static/src/viewer/frames.js";

const element = (...values) => ({ vr: "DS", Value: values });
const sequence = (...items) => ({ vr: "SQ", Value: items });
const words = (...values) => ({
  vr: "OW",
  InlineBinary: Buffer.from(Uint16Array.from(values).buffer).toString("base64"),
});

test("frames of an enhanced object do not leak into one another", () => {
  const instance = {
    "00080018": element("1.2.3"),
    "00280008": element(2),
    52009229: sequence({
      "00289110": sequence({ "00280030": element(0.5, 0.5) }),
    }),
    52009230: sequence(
      {
        "00209113": sequence({ "00200032": element(0, 0, 10) }),
        "00289132": sequence({
          "00281050": element(40),
          "00281051": element(400),
        }),
      },
      { "00209113": sequence({ "00200032": element(0, 0, 20) }) },
    ),
  };
  const before = JSON.stringify(instance);
  const [first, second] = framesOf([instance]);
  assert.equal(JSON.stringify(instance), before);
  assert.deepEqual(first.position, [0, 0, 10]);
  assert.deepEqual(second.position, [0, 0, 20]);
  assert.equal(first.window.center, 40);
  assert.equal(second.window, undefined);
  assert.deepEqual(second.spacing, {
    row: 0.5,
    column: 0.5,
    source: "patient",
  });
  assert.equal(frameDataset({ a: 1 }, 1).a, 1);
});

test("scale comes from the patient, then the detector, then the ratio, and says which", () => {
  const source = (dataset) => framesOf([dataset])[0].spacing;
  const patient = {
    "00280030": element(0.7, 0.8),
    "00181164": element(0.1, 0.1),
  };
  assert.deepEqual(source(patient), {
    row: 0.7,
    column: 0.8,
    source: "patient",
  });
  assert.equal(source({ "00181164": element(0.1, 0.1) }).source, "detector");
  assert.deepEqual(source({ "00280034": element(2, 1) }), {
    row: 2,
    column: 1,
    source: "ratio",
  });
  assert.equal(source({ "00280030": element(0, 0) }).source, "none");
  assert.equal(source({}).source, "none");
});

test("a slope of zero or none is one; a missing window stays missing", () => {
  const [frame] = framesOf([{ "00281053": element(0) }]);
  assert.equal(frame.slope, 1);
  assert.equal(frame.intercept, 0);
  assert.equal(frame.window, undefined);
  assert.equal(
    framesOf([{ "00281050": element(40), "00281051": element(0) }])[0].window,
    undefined,
  );
});

test("orientations that are none are not used", () => {
  assert.equal(orientation({ "00200037": element(1, 0, 0, 1, 0, 0) }), undefined);
  assert.equal(orientation({ "00200037": element(0, 0, 0, 0, 0, 0) }), undefined);
  assert.equal(orientation({ "00200037": element(1, 0, 0) }), undefined);
  assert.deepEqual(orientation({ "00200037": element(1, 0, 0, 0, 1, 0) }).column, [0, 1, 0]);
});

test("tables and palettes are read from their bytes", () => {
  const item = {
    "00283002": element(3, 65534, 16),
    "00283006": words(5, 6, 7),
  };
  const [signed] = framesOf([{ "00280103": element(1), "00283010": sequence(item) }]);
  assert.deepEqual(signed.voiTable, { first: -2, bits: 16, data: [5, 6, 7] });
  const palette = Object.fromEntries(
    ["1", "2", "3"].flatMap((colour) => [
      [`0028110${colour}`, element(2, 0, 16)],
      [`0028120${colour}`, words(0, 65535)],
    ]),
  );
  const [coloured] = framesOf([{ "00280004": element("PALETTE COLOR"), ...palette }]);
  assert.equal(coloured.palette.length, 3);
  assert.deepEqual([...coloured.palette[0].data], [0, 65535]);
});

test("a table elsewhere is filled when its bytes are there", () => {
  const item = {
    "00283002": element(2, 0, 12),
    "00283006": { vr: "OW", BulkDataURI: "/there" },
  };
  const [frame] = framesOf([{ "00283010": sequence(item) }]);
  assert.deepEqual(frame.voiTable, { first: 0, bits: 12, entries: 2, uri: "/there" });
  const filled = filledTable(frame.voiTable, Uint8Array.of(1, 0, 2, 1));
  assert.deepEqual(filled, { first: 0, bits: 12, data: [1, 258] });
  assert.equal(filledTable(frame.voiTable, Uint8Array.of(1)), undefined);
});

test("values below nought make a table's first value signed", () => {
  const item = { "00283002": element(1, 65535, 8), "00283006": words(7) };
  const first = (extra) => framesOf([{ "00283010": sequence(item), ...extra }])[0].voiTable.first;
  assert.equal(first({}), 65535);
  assert.equal(first({ "00281052": element(-1024) }), -1);
  const modality = { "00283002": element(1, 0, 16), "00283006": words(1) };
  assert.equal(first({ "00280103": element(1), "00283000": sequence(modality) }), 65535);
});

test("a frame that the server drew keeps its size on the body", () => {
  const [frame] = framesOf([
    {
      "00280010": element(50),
      "00280011": element(100),
      "00280030": element(2, 1),
      "00280004": element("MONOCHROME1"),
      "00280100": element(1),
    },
  ]);
  assert.equal(frame.byServer, true);
  const drawn = asDrawn(frame, { rows: 100, columns: 100 });
  assert.deepEqual(drawn.spacing, { row: 1, column: 1, source: "patient" });
  assert.equal(drawn.photometric, "RGB");
  assert.deepEqual(asDrawn(drawn, { rows: 100, columns: 100 }), drawn);
});

test("frame rate: recommended, else cine rate, else frame time", () => {
  assert.equal(frameRate({ "00082144": element(12), "00180040": element(30) }), 12);
  assert.equal(frameRate({ "00180040": element(30) }), 30);
  assert.equal(frameRate({ "00181063": element(50) }), 20);
  assert.equal(frameRate({}), undefined);
});
