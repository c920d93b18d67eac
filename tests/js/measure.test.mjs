import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { millimetres } from "../../static/src/viewer/measure/asking.js";
import { acrossLine, placeAgainst, thinned } from "../../static/src/viewer/measure/geometry.js";
import { freePlace, labelPlaces } from "../../static/src/viewer/measure/draw.js";
import { bodyOf, withHistory } from "../../static/src/viewer/measure/history.js";
import { linesOf, moved, withShortAxis } from "../../static/src/viewer/measure/kinds.js";
import { mayCalibrate } from "../../static/src/viewer/measure/scale.js";
import { samplesAt, statisticsOf } from "../../static/src/viewer/measure/statistics.js";
import { moment, suvFactor } from "../../static/src/viewer/measure/suv.js";
import { valuesOf } from "../../static/src/viewer/measure/values.js";
import { quantity, valueLines, valueText } from "../../static/src/reports/placing.js";
import { framesOf } from "../../static/src/viewer/frames.js";
import { greyOf, lensSteps } from "../../static/src/viewer/magnifier.js";
import { screenDirections } from "../../static/src/viewer/orientation.js";
import { middleRange, windowsOfFile, windowsOfModality } from "../../static/src/viewer/presets.js";
import { aligned, mirroredDown, turnedRight } from "../../static/src/viewer/turns.js";

const { images, cases } = JSON.parse(
  readFileSync(new URL("../measured.json", import.meta.url), "utf8"),
);
const element = (...values) => ({ Value: values });
const none = () => undefined;

for (const [number, one] of cases.entries()) {
  test(`${one.tool} on ${one.image} (${number})`, () => {
    const frame = framesOf([images[one.image]])[(one.frame ?? 1) - 1];
    const { points: line, mm } = one.calibration ?? {};
    const calibration = line && { id: "c", points: line, values: [{ value: mm }] };
    const found = valuesOf(one.tool, one.points, { frame, pixels: none, calibration });
    if (one.refused) {
      assert.ok(found.refused);
      return;
    }
    const said = Object.fromEntries(
      found.values.map(({ name, value, unit }) => [name, [value, unit]]),
    );
    assert.deepEqual(Object.keys(said), Object.keys(one.says));
    for (const [name, [value, unit]] of Object.entries(one.says)) {
      assert.ok(Math.abs(said[name][0] - value) < 1e-3, `${name}: ${said[name]}`);
      assert.equal(said[name][1], unit);
    }
    assert.equal(found.atDetector === true, one.at_detector === true);
  });
}

test("areas cannot be told where the directions measure different things", () => {
  const [frame] = framesOf([images.ultrasound]);
  const world = { frame, pixels: none };
  assert.match(valuesOf("ellipse", [[10, 110], [50, 130]], world).refused, /only lengths/); // prettier-ignore
  assert.match(valuesOf("angle", [[1, 110], [5, 130], [9, 150]], world).refused, /only lengths/); // prettier-ignore
});

test("only what has no spacing of its own is calibrated", () => {
  const may = (name) => mayCalibrate(framesOf([images[name]])[0]);
  const asked = ["bare", "wide", "detector", "uncalibrated", "fiducial", "ct", "ultrasound"];
  assert.deepEqual(asked.map(may), [true, true, true, true, false, false, false]);
  assert.equal(millimetres("25,4"), 25.4);
  assert.equal(millimetres("2.5 cm"), 25);
  for (const text of ["", "0", "-3", "12 in", "1e3", "9999"])
    assert.equal(millimetres(text), undefined);
});

const ramp = {
  rows: 10,
  columns: 10,
  samplesPerPixel: 1,
  values: Float32Array.from({ length: 100 }, (_, at) => at),
};

test("statistics of the pixels whose centres are inside", () => {
  const box = statisticsOf("rectangle", [[1.6, 2.4], [4.4, 0.6]], ramp); // prettier-ignore
  // Rows 1 and 2, columns 2 to 4.
  assert.deepEqual([box.count, box.mean, box.min, box.max], [6, 18, 12, 24]);
  assert.ok(Math.abs(box.sd - Math.sqrt(25 + 2 / 3)) < 1e-9);
  const drawn = [[1.6, 0.6], [4.4, 0.6], [4.4, 2.4], [1.6, 2.4]]; // prettier-ignore
  assert.deepEqual(statisticsOf("freehand", drawn, ramp), box);
  const circle = statisticsOf("ellipse", [[3, 3], [7, 7]], ramp); // prettier-ignore
  // Radius 2 about (5, 5): 13 centres.
  assert.deepEqual([circle.count, circle.min, circle.max], [13, 35, 75]);
  assert.ok(Math.abs(circle.mean - 55) < 1e-9);
  assert.equal(statisticsOf("rectangle", [[0.1, 0.1], [0.9, 0.9]], ramp), undefined); // prettier-ignore
  assert.equal(statisticsOf("rectangle", [[-9, -9], [99, 99]], ramp).count, 100); // prettier-ignore
  assert.equal(
    statisticsOf("rectangle", [[-9, -9], [99, 99]], ramp, { from: 0, to: 9 }).count, // prettier-ignore
    90,
  );
});

test("a line that crosses itself counts what is inside of an odd number of it", () => {
  const bow = [[-0.4, -0.3], [8.4, 8.3], [8.4, -0.3], [-0.4, 8.3]]; // prettier-ignore
  const found = statisticsOf("freehand", bow, ramp);
  assert.ok(Math.abs(found.mean - 44) < 1e-9);
});

test("the pixel under a place, in HU, in SUV, in colours", () => {
  const probe = (instance, pixels, place = [3.4, 1.6]) =>
    valuesOf("probe", [place], { frame: framesOf([instance])[0], pixels: () => pixels });
  assert.deepEqual(probe(images.ct, ramp).values, [{ name: "value", value: 23, unit: "HU" }]);
  assert.deepEqual(probe(images.bare, ramp).values[0].unit, "");
  assert.ok(probe(images.ct, ramp, [10, 3]).refused);
  assert.ok(probe(images.ct, undefined).refused);
  const values = Uint8Array.from([1, 2, 3, 4, 5, 6]);
  const rgb = { rows: 1, columns: 2, samplesPerPixel: 3, values };
  assert.equal(valueText(probe(images.bare, rgb, [1, 0])), "RGB 4 5 6");
  assert.deepEqual(samplesAt([0, 0], rgb), [1, 2, 3]);
});

const pet = {
  "00080021": element("20260102"),
  "00080031": element("120000"),
  "00080022": element("20260102"),
  "00080032": element("120500.5"),
  "00080060": element("PT"),
  "00101030": element(80),
  "00280051": element("DECY", "ATTN", "SCAT"),
  "00540016": element({
    "00181072": element("110000.00"),
    "00181074": element(400e6),
    "00181075": element(6588),
  }),
  "00541001": element("BQML"),
  "00541102": element("START"),
};

test("SUV by body weight from the header, or why not", () => {
  // 400 MBq decay for an hour: 400e6 * 2^(-3600/6588) = 273.88e6; 80,000 g / that.
  assert.ok(Math.abs(suvFactor(pet).factor - 80_000 / (400e6 * 2 ** (-3600 / 6588))) < 1e-12);
  assert.equal(suvFactor({ ...pet, "00541102": element("ADMIN") }).factor, 80_000 / 400e6);
  assert.equal(suvFactor({ ...pet, "00541001": element("GML") }).factor, 1);
  const why = (changes) => suvFactor({ ...pet, ...changes }).why;
  assert.match(why({ "00541001": element("CNTS") }), /CNTS/);
  assert.match(why({ "00101030": element() }), /weight/);
  assert.match(why({ "00280051": element("DECY") }), /not corrected/);
  assert.match(why({ "00541102": element("NONE") }), /unknown time/);
  assert.match(why({ "00540016": element({ "00181075": element(1) }) }), /dose/);
  assert.match(why({ "00080031": element("130000") }), /corrected to/);
  // Injected before midnight.
  const [item] = pet["00540016"].Value;
  const night = { ...item, "00181072": element("233000") };
  const early = { "00080031": element("003000"), "00080032": element("003100") };
  const { factor } = suvFactor({ ...pet, ...early, "00540016": element(night) });
  assert.ok(Math.abs(factor - 80_000 / (400e6 * 2 ** (-3600 / 6588))) < 1e-12);
  assert.equal(moment("20260102", "1200") - moment("20260102110000.500"), 3_599_500);
  assert.equal(moment("20260102"), undefined);
});

test("regions of a PET picture are in SUV", () => {
  const instance = { ...pet, "00280030": element(2, 2) };
  const world = { frame: framesOf([instance])[0], pixels: () => ramp };
  const { values } = valuesOf("rectangle", [[0, 0], [9, 9]], world); // prettier-ignore
  const mean = values.find(({ name }) => name === "mean");
  assert.equal(mean.unit, "g/ml");
  assert.ok(Math.abs(mean.value - 49.5 * suvFactor(pet).factor) < 1e-4);
  const bare = { ...instance, "00101030": element() };
  const found = valuesOf("probe", [[1, 0]], { ...world, frame: framesOf([bare])[0] });
  assert.deepEqual(found.values, [{ name: "value", value: 1, unit: "Bq/ml" }]);
  assert.match(found.note, /weight/);
});

test("the short diameter stays at a right angle, whichever end is moved", () => {
  const scale = { row: 2, column: 1 };
  const points = withShortAxis([[0, 0], [20, 0]], scale); // prettier-ignore
  assert.deepEqual(points.slice(2), [[10, -2.5], [10, 2.5]]); // prettier-ignore
  const right = ([a, b, c, d]) =>
    Math.abs((b[0] - a[0]) * (d[0] - c[0]) + 4 * (b[1] - a[1]) * (d[1] - c[1])) < 1e-9;
  const entry = { tool: "bidirectional", points };
  for (const handle of [0, 1, 2, 3]) {
    const next = moved(entry, handle, [7, 6], scale);
    assert.ok(right(next), `handle ${handle}`);
  }
  assert.deepEqual(moved(entry, 3, [7, 6], scale)[3], [7, 6]);
  const { along, aside } = placeAgainst([[0, 0], [20, 0]], [5, 3], scale); // prettier-ignore
  assert.deepEqual([along, aside], [0.25, 6]);
  const line = acrossLine([[0, 0], [20, 0]], { along: 0.25, before: 0, after: 6 }, scale); // prettier-ignore
  assert.deepEqual(line[1], [5, 3]);
});

test("corners of a box follow their handle", () => {
  const entry = { tool: "rectangle", points: [[1, 1], [5, 4]] }; // prettier-ignore
  assert.deepEqual(moved(entry, 1, [9, 0], {}), [[1, 0], [9, 4]]); // prettier-ignore
  assert.deepEqual(moved(entry, 3, [0, 9], {}), [[0, 1], [5, 9]]); // prettier-ignore
  assert.equal(linesOf(entry)[0].length, 5);
  assert.equal(
    thinned(
      Array.from({ length: 999 }, (_, at) => [at, at % 7]),
      256,
    ).length,
    256,
  );
});

test("what is measured, in words", () => {
  const said = (values, more) => valueText({ values, ...more });
  assert.equal(quantity({ name: "area", value: 99.96, unit: "mm2" }), "100.0 mm²");
  assert.equal(quantity({ name: "area", value: 321.4, unit: "mm2" }), "3.21 cm²");
  assert.equal(said([{ name: "angle", value: 45, unit: "deg" }]), "45.0°");
  const both = [
    { name: "long_axis", value: 12.34, unit: "mm" },
    { name: "short_axis", value: 8, unit: "mm" },
  ];
  assert.equal(said(both), "12.3 × 8.0 mm");
  assert.equal(said(both, { calibrated_by: "Dr A" }), "12.3 × 8.0 mm calibrated by Dr A");
  const region = [
    { name: "area", value: 321.4, unit: "mm2" },
    { name: "mean", value: 40.26, unit: "HU" },
    { name: "sd", value: 3, unit: "HU" },
    { name: "min", value: 12, unit: "HU" },
    { name: "max", value: 80.5, unit: "HU" },
  ];
  assert.equal(said(region), "area 3.21 cm², mean 40.3 HU, SD 3.0 HU, min 12 HU, max 80.5 HU");
  assert.deepEqual(valueLines({ values: region, label: "Cyst" }), [
    "Cyst",
    "area 3.21 cm²",
    "mean 40.3, SD 3.0 HU",
    "12 to 80.5 HU",
  ]);
  assert.equal(said([{ name: "value", value: 3.456, unit: "g/ml" }]), "SUVbw 3.46 g/ml");
});

test("a label stands beside what it names, on no other label, inside of the picture", () => {
  const line = [[100, 100], [200, 100]]; // prettier-ignore
  const [size, room] = [[80, 16], [400, 300]]; // prettier-ignore
  const taken = [];
  const place = () => freePlace(labelPlaces(line, ...size), size, room, taken);
  assert.deepEqual(place(), [210, 92]);
  assert.deepEqual(place(), [10, 92]);
  assert.deepEqual(place(), [60, 110]);
  const edge = [[300, 100], [390, 100]]; // prettier-ignore
  assert.deepEqual(freePlace(labelPlaces(edge, ...size), size, room, []), [210, 92]);
});

test("undo and redo bring back the same ids", async () => {
  const rows = new Map();
  const asked = [];
  const store = withHistory({
    measurements: () => [...rows.values()],
    async saveMeasurement(id, body) {
      asked.push(["save", id, body.restore === true]);
      if (body.label === "no") return { kind: "invalid" };
      rows.set(id, { id, ...body, author: { id: 1 } });
      return { kind: "ok" };
    },
    async removeMeasurement(id) {
      asked.push(["remove", id]);
      rows.delete(id);
      return { kind: "ok" };
    },
  });
  await store.saveMeasurement("a", { tool: "length", points: [[0, 0]] });
  await store.saveMeasurement("a", { tool: "length", points: [[9, 9]] });
  await store.removeMeasurement("a");
  await store.undo();
  assert.deepEqual(rows.get("a").points, [[9, 9]]);
  await store.undo();
  assert.deepEqual(rows.get("a").points, [[0, 0]]);
  await store.undo();
  assert.equal(rows.size, 0);
  assert.equal(await store.undo(), undefined);
  await store.redo();
  await store.redo();
  assert.deepEqual(bodyOf(rows.get("a")).points, [[9, 9]]);
  await store.redo();
  assert.equal(rows.size, 0);
  assert.deepEqual(asked.slice(3, 6), [["save", "a", true], ["save", "a", true], ["remove", "a"]]); // prettier-ignore
  // Something new ends what could be done again; what was refused is not undone.
  await store.undo();
  await store.saveMeasurement("b", { tool: "text", label: "no" });
  assert.equal(await store.redo(), undefined);
  await store.undo();
  assert.deepEqual(rows.get("a").points, [[0, 0]]);
});

test("turns and flips compose, and the letters' directions follow", () => {
  const upright = { up: [0, 1], isMirrored: false };
  const camera = ({ up: [along, against], isMirrored }) => ({
    viewUp: [along, -against, 0],
    viewPlaneNormal: [0, 0, isMirrored ? 1 : -1],
  });
  const same = (a, b) => a.up.every((one, at) => one === b.up[at]) && a.isMirrored === b.isMirrored;
  let now = upright;
  for (let turn = 0; turn < 4; turn += 1) now = turnedRight(now);
  assert.ok(same(now, upright));
  // Row to the right, as seen; a quarter turn clockwise puts it down.
  const way = (state) => screenDirections(camera(state));
  assert.deepEqual(way(upright).right.map(Math.abs), [1, 0, 0]);
  assert.ok(way(upright).right[0] > 0);
  assert.ok(way(turnedRight(upright)).bottom[0] > 0);
  const mirrored = { ...upright, isMirrored: true };
  assert.ok(way(mirrored).left[0] > 0);
  assert.ok(way(turnedRight(mirrored)).top[0] > 0);
  const down = mirroredDown(upright);
  assert.ok(way(down).right[0] > 0 && way(down).top[1] > 0);
  assert.ok(same(mirroredDown(down), upright));
});

test("pixels of the image lie on pixels of the screen", () => {
  for (const room of [500, 501]) {
    const left = room / 2 - aligned(37.3, room) - 0.5;
    assert.ok(Math.abs(left - Math.round(left)) < 1e-9);
    assert.ok(Math.abs(aligned(37.3, room) - 37.3) <= 0.5);
  }
});

test("windows of the file by name, of CT, of PET in SUV", () => {
  const file = {
    dataset: {
      "00281050": element(40, -600),
      "00281051": element(400, 1500),
      "00281055": element("SOFT", "LUNG"),
    },
  };
  assert.deepEqual(windowsOfFile(file)[1], {
    name: "LUNG",
    window: { center: -600, width: 1500 },
  });
  assert.deepEqual(windowsOfFile({ dataset: {} }), []);
  assert.equal(windowsOfModality({ modality: "CT", dataset: {} })[0].name, "Brain");
  assert.deepEqual(windowsOfModality({ modality: "MR", dataset: {} }), []);
  const [first] = windowsOfModality({ modality: "PT", dataset: pet });
  assert.ok(Math.abs(first.window.width * suvFactor(pet).factor - 5) < 1e-9);
  const pixels = Array.from({ length: 1000 }, (_, at) => at);
  assert.deepEqual(middleRange(pixels), { lower: 10, upper: 990 });
  assert.deepEqual(middleRange([5, 5]), { lower: 5, upper: 6 });
});

test("the lens shows pixels at least twice as large, and at least one to one", () => {
  const places = (size) => [[5, 5], [5 + 1 / size, 5], [5, 5 + 1 / size]]; // prettier-ignore
  assert.equal(lensSteps(places(1), 1).times, 2);
  assert.ok(Math.abs(lensSteps(places(0.1), 1).across[0] - 1) < 1e-9);
  const look = { range: { lower: 0, upper: 100 }, greys: [0, 1], isInverted: false };
  assert.deepEqual([-5, 50, 200].map((value) => greyOf(value, look)), [0, 128, 255]); // prettier-ignore
  assert.equal(greyOf(0, { ...look, isInverted: true }), 255);
});
