import assert from "node:assert/strict";
import { test } from "node:test";

import { markRgb, rgbOfYbr422, unmarkedJpeg } from "../../static/src/viewer/colour.js";
import { documented } from "../../static/scripts/shortcuts.js";
import { firstPart, kindOfStatus } from "../../static/src/viewer/dicomweb.js";
import { isForServer, maybePictures, whyNot } from "../../static/src/viewer/displayable.js";
import { contradiction } from "../../static/src/viewer/identity.js";
import { actionOf, shortcuts } from "../../static/src/viewer/keys.js";
import { takenAt } from "../../static/src/viewer/overlay.js";
import { createPrefetcher, createShare, fetchOrder } from "../../static/src/viewer/prefetch.js";
import {
  applyTable,
  curveOf,
  displayedPadding,
  nodesOf,
  rangeWindow,
  valueRange,
  windowRange,
} from "../../static/src/viewer/voi.js";
import { date, measure, personName, time, windowText } from "../../static/src/viewer/wording.js";

const element = (...values) => ({ Value: values });
const picture = {
  "00280010": element(2),
  "00280011": element(2),
  "00280100": element(16),
};
const named = (id, name) => ({
  "00100020": element(id),
  "00100010": element({ Alphabetic: name }),
});

test("windows and ranges are each other's opposite", () => {
  assert.deepEqual(windowRange({ center: 40, width: 400 }), {
    lower: -160,
    upper: 239,
  });
  assert.deepEqual(rangeWindow({ lower: -160, upper: 239 }), {
    width: 400,
    center: 40,
  });
  assert.deepEqual(windowRange({ center: 0.5, width: 1, shape: "LINEAR_EXACT" }), {
    lower: 0,
    upper: 1,
  });
});

test("every shape of window has its curve", () => {
  const none = () => assert.fail("the file asks for a window");
  const window = { center: 100, width: 40, shape: "SIGMOID" };
  const sigmoid = curveOf({ window }, none);
  assert.deepEqual(sigmoid.range, { lower: 20, upper: 180 });
  assert.deepEqual(rangeWindow(sigmoid.range, "SIGMOID"), { width: 40, center: 100 });
  nodesOf(sigmoid, sigmoid.range, false).forEach(({ x, r }) => {
    assert.ok(Math.abs(r - 1 / (1 + Math.exp((-4 * (x - 100)) / 40))) < 1e-9);
  });
  const exact = curveOf({ window: { ...window, shape: "LINEAR_EXACT" } }, none);
  assert.deepEqual(exact.range, { lower: 80, upper: 120 });
  assert.deepEqual(
    nodesOf(exact, { lower: 0, upper: 10 }, true).map(({ x, g }) => [x, g]),
    [
      [0, 1],
      [10, 0],
    ],
  );
  const step = windowRange({ center: 5, width: 1 });
  assert.ok(step.lower === 4.5 && step.upper > 4.5 && step.upper < 5);
  const asked = curveOf({}, () => ({ lower: 1, upper: 9 }));
  assert.deepEqual(asked, { shape: "LINEAR", range: { lower: 1, upper: 9 }, greys: [0, 1] });
});

test("a table comes before a window; its level ends are left out", () => {
  const window = { center: 1, width: 1, shape: "LINEAR" };
  const voiTable = { first: -3, bits: 8, data: [0, 0, 0, 51, 255, 102, 102] };
  const curve = curveOf({ window, voiTable });
  assert.equal(curve.shape, "TABLE");
  assert.deepEqual(curve.range, { lower: -1, upper: 2 });
  assert.deepEqual(curve.greys, [0, 0.2, 1, 0.4]);
  const level = curveOf({ voiTable: { first: 0, bits: 8, data: [51, 51, 51] } });
  assert.deepEqual(level.greys, [0.2, 0.2]);
  const data = Array.from({ length: 65536 }, (_, at) => at);
  const large = curveOf({ voiTable: { first: 0, bits: 16, data } });
  assert.equal(large.greys.length, 4096);
  large.greys.forEach((grey, at) => assert.ok(Math.abs(grey - at / 4095) < 1e-9));
});

test("the automatic window leaves the padding out", () => {
  const padding = displayedPadding({
    padding: -2000,
    slope: 1,
    intercept: -1024,
  });
  assert.deepEqual(padding, { from: -3024, to: -3024 });
  assert.deepEqual(valueRange([-3024, 5, 9], padding), { lower: 5, upper: 9 });
  assert.deepEqual(valueRange([7, 7]), { lower: 7, upper: 8 });
  assert.deepEqual(valueRange([]), { lower: 0, upper: 1 });
  assert.equal(displayedPadding({ slope: 1, intercept: 0 }), undefined);
});

test("tables hold at their ends", () => {
  assert.deepEqual([...applyTable([-5, 0, 1, 9], { first: 0, data: [10, 20] })], [10, 10, 20, 20]);
});

test("the nearest frames are fetched first", () => {
  assert.deepEqual(fetchOrder(6, 2), [2, 3, 1, 4, 0, 5]);
  assert.deepEqual(fetchOrder(6, 0, 3), [0, 1, 2]);
  assert.deepEqual(fetchOrder(0, 0), []);
});

test("only a few are fetched at once, and what failed may be asked for again", async () => {
  let running = 0;
  let most = 0;
  const asked = [];
  const settled = [];
  const prefetcher = createPrefetcher({
    share: createShare(2),
    async load(index) {
      asked.push(index);
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running -= 1;
      if (index === 1 && asked.filter((at) => at === 1).length === 1) throw new Error("lost");
    },
    onSettled: (index, error) => settled.push([index, Boolean(error)]),
  });
  const until = async (isTrue) => {
    for (let tries = 0; !isTrue() && tries < 2000; tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 5));
  };
  prefetcher.aim([0, 1, 2, 3]);
  await until(() => settled.length === 4);
  assert.equal(most, 2);
  assert.deepEqual(settled.map(([index]) => index).sort(), [0, 1, 2, 3]);
  prefetcher.aim([0, 1, 2]);
  await until(() => settled.length === 5);
  assert.deepEqual(asked.slice(4), [1]);
});

test("objects without pictures are named", () => {
  const why = (uid, extra = {}) => whyNot({ ...picture, "00080016": element(uid), ...extra });
  assert.match(why("1.2.840.10008.5.1.4.1.1.88.33").name, /structured report/);
  assert.match(why("1.2.840.10008.5.1.4.1.1.88.59").name, /key object/);
  assert.match(why("1.2.840.10008.5.1.4.1.1.104.1").name, /document/);
  assert.match(why("1.2.840.10008.5.1.4.1.1.11.1").name, /presentation state/);
  assert.match(why("1.2.840.10008.5.1.4.1.1.481.3").name, /radiotherapy/);
  assert.match(why("1.2.840.10008.5.1.4.1.1.481.5").name, /radiotherapy/);
  assert.match(why("1.2.840.10008.5.1.4.1.1.9.1.1").name, /waveform/);
  assert.match(why("1.2.840.10008.5.1.4.1.1.66.4").name, /segmentation/);
  assert.match(
    why("1.2.840.10008.5.1.4.1.1.77.1.4.1", {
      "00083002": element("1.2.840.10008.1.2.4.103"),
    }).name,
    /video/,
  );
  assert.match(whyNot({ "00080016": element("1.2.3") }).name, /without pixels/);
});

test("what no decoder here can show is left to the server", () => {
  const byServer = (extra) => isForServer({ ...picture, ...extra });
  assert.equal(byServer({}), false);
  assert.equal(byServer({ "00280002": element(3) }), true);
  assert.equal(byServer({ "00280002": element(3), "00280100": element(8) }), false);
  assert.equal(byServer({ "00280100": element(1) }), true);
  assert.equal(byServer({ "00280100": element(64) }), true);
  const palette = { "00280004": element("PALETTE COLOR"), "00281221": { vr: "OW" } };
  assert.equal(byServer(palette), true);
});

test("pictures are pictures", () => {
  for (const uid of [
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.6.1",
    "1.2.840.10008.5.1.4.1.1.481.1",
    "1.2.840.10008.5.1.4.1.1.481.2",
    "1.2.840.10008.5.1.4.1.1.12.1",
    "1.2.840.10008.5.1.4.1.1.128",
  ]) {
    assert.equal(whyNot({ ...picture, "00080016": element(uid) }), undefined, uid);
  }
  assert.equal(maybePictures({ modality: "CT" }), true);
  assert.equal(maybePictures({ modality: "SR" }), false);
  assert.equal(
    maybePictures({
      modality: "SR",
      sopClasses: ["1.2.840.10008.5.1.4.1.1.7"],
    }),
    true,
  );
});

test("a picture of somebody else is noticed", () => {
  const patient = { id: "123456", name: "DOE^Jane" };
  assert.equal(contradiction(named("123456", "Doe^Jane^^"), patient), undefined);
  assert.equal(contradiction({}, patient), undefined);
  assert.deepEqual(contradiction(named("123456", "ROE^John"), patient), {
    id: "123456",
    name: "ROE^John",
  });
  assert.ok(contradiction(named("99", "DOE^Jane"), patient));
});

test("facts are written for people", () => {
  assert.equal(personName("DOE^Jane^M^Dr=山田^花子"), "DOE, Jane M");
  assert.equal(personName(""), "");
  assert.equal(date("20261124"), "2026-11-24");
  assert.equal(date("before lunch"), "before lunch");
  assert.equal(time("142501.123"), "14:25:01");
  assert.equal(measure(-0.04), "0");
  assert.equal(windowText({ width: 400, center: 40 }), "W 400  L 40");
});

test("docs/viewer.md has the viewer's keys as they are", () => {
  const { found, wanted } = documented();
  assert.equal(found, wanted);
});

test("every key of the help does what its row says, and stands there once", () => {
  const pressed = { "↑": "ArrowUp", "↓": "ArrowDown", "←": "ArrowLeft", "→": "ArrowRight" };
  Object.assign(pressed, { "Page Up": "PageUp", "Page Down": "PageDown" });
  Object.assign(pressed, { Del: "Delete", Space: " ", Esc: "Escape" });
  const rows = shortcuts.flatMap(({ keys }) => Object.entries(keys));
  for (const [name, action] of rows) {
    const [key, ...held] = name === "+" ? [name] : name.split("+").reverse();
    const event = { key: pressed[key] ?? key, ctrlKey: held.includes("Ctrl"), target: null };
    assert.equal(actionOf({ ...event, shiftKey: held.includes("Shift") }), action, name);
  }
  assert.equal(new Set(rows.map(([name]) => name)).size, rows.length);
});

test("keys are left to fields, dialogs, the browser and focused buttons", () => {
  const press = (key, closest = () => null, rest = {}) =>
    actionOf({ key, target: { closest }, ...rest });
  assert.equal(press("R"), "reset");
  assert.equal(press("w"), "mode:window");
  assert.equal(press("ArrowDown"), "next");
  assert.equal(press("r", undefined, { ctrlKey: true }), undefined);
  assert.equal(press("Z", undefined, { metaKey: true, shiftKey: true }), "redo");
  assert.equal(
    press("Enter", (selector) => (selector.includes("option") ? {} : null)),
    undefined,
  );
  assert.equal(
    press("r", (selector) => (selector.startsWith("input") ? {} : null)),
    undefined,
  );
  assert.equal(
    press(" ", (selector) => (selector.startsWith("button") ? {} : null)),
    undefined,
  );
});

test("statuses say what happened, parts are cut at their boundary", () => {
  assert.equal(kindOfStatus(401), "session");
  assert.equal(kindOfStatus(404), "missing");
  assert.equal(kindOfStatus(415), "refused");
  assert.equal(kindOfStatus(0), "network");
  assert.equal(kindOfStatus(503), "server");
  const body = new TextEncoder().encode("--b\r\nContent-Type: x\r\n\r\nabc\r\n--b--\r\n");
  const part = firstPart(body, 'multipart/related; boundary="b"');
  assert.equal(new TextDecoder().decode(part), "abc");
  assert.throws(() => firstPart(body.slice(0, 20), "multipart/related; boundary=b"));
});

test("native YBR 4:2:2 becomes RGB", () => {
  assert.deepEqual([...rgbOfYbr422([10, 200, 128, 128])], [10, 10, 10, 200, 200, 200]);
  assert.deepEqual([...rgbOfYbr422([76, 76, 85, 255])], [254, 0, 0, 254, 0, 0]);
});

test("only a JPEG that says nothing of its colours is marked as RGB", () => {
  const stream = (...marker) => [0xff, 0xd8, ...marker, 0xff, 0xda, 0, 2, 1, 2, 3, 4];
  assert.equal(unmarkedJpeg(Uint8Array.from([45, 45, ...stream(0xff, 0xdb, 0, 3, 9)])), 2);
  assert.equal(unmarkedJpeg(Uint8Array.from(stream(0xff, 0xe0, 0, 2))), -1);
  assert.equal(unmarkedJpeg(Uint8Array.from(stream(0xff, 0xee, 0, 2))), -1);
  assert.equal(unmarkedJpeg(new Uint8Array(40)), -1);
  const marked = markRgb(Uint8Array.from(stream()), 0);
  assert.deepEqual([...marked.slice(0, 9)], [0xff, 0xd8, 0xff, 0xee, 0, 14, 0x41, 0x64, 0x6f]);
});

test("a date is never shown with the time of another level", () => {
  const study = {
    "00080020": element("20261124"),
    "00080030": element("100000"),
  };
  assert.equal(takenAt({ ...study, "00080032": element("235900") }), "2026-11-24  10:00:00");
  assert.equal(takenAt({ ...study, "00080022": element("20261125") }), "2026-11-25");
  assert.equal(takenAt({}), "");
});
