import assert from "node:assert/strict";
import { test } from "node:test";

import { contentsOf } from "../../static/src/viewer/contents.js";
import { selectionOf } from "../../static/src/viewer/documents/keyobjects.js";
import { documentKind, documentsOf } from "../../static/src/viewer/documents/kinds.js";
import { widthFor } from "../../static/src/viewer/documents/pages.js";
import { otherIdentity } from "../../static/src/viewer/identity.js";
import { indexAt, placeOfAddress } from "../../static/src/viewer/documents/places.js";

const element = (...values) => ({ Value: values });
const storage = "1.2.840.10008.5.1.4.1.1.";
const object = (sopClass, sop, day, more = {}) => ({
  "00080016": element(storage + sopClass),
  "00080018": element(sop),
  "00080023": element(day),
  ...more,
});
const coded = (meaning) => element({ "00080104": element(meaning) });

test("reports, key objects and PDFs are documents, nothing else is", () => {
  assert.equal(documentKind(`${storage}104.1`), "pdf");
  assert.equal(documentKind(`${storage}88.59`), "keys");
  assert.equal(documentKind(`${storage}88.33`), "report");
  for (const other of ["104.2", "104.3", "11.1", "2", "9.1.1"]) {
    assert.equal(documentKind(storage + other), undefined, other);
  }
  assert.equal(documentKind(undefined), undefined);
});

test("a series of documents is read, the newest first; what is none is counted", () => {
  const title = { "0040A043": coded("Imaging Report") };
  const found = contentsOf([
    object("88.11", "1.1", "20250101", title),
    object("88.59", "1.2", "20260101"),
    object("9.1.1", "1.3", "20270101"),
  ]);
  assert.deepEqual(
    found.documents.map(({ sopInstanceUID, title: words }) => [sopInstanceUID, words]),
    [
      ["1.2", "Key images"],
      ["1.1", "Imaging Report"],
    ],
  );
  assert.deepEqual(found.frames, []);
  assert.match(found.notice, /1 object\b/);
  const waveform = contentsOf([object("9.1.1", "1.3", "20270101")]);
  assert.equal(waveform.documents, undefined);
  assert.match(waveform.explanation.title, /waveform/);
  const named = documentsOf([
    object("104.1", "1.4", "", { "00420010": element("Consent") }),
    object("104.1", "1.5", ""),
  ]);
  assert.deepEqual(
    named.map(({ title: words }) => words),
    ["Consent", "PDF"],
  );
});

test("a picture beside a document is a picture", () => {
  const picture = {
    ...object("7", "1.9", ""),
    "00280010": element(4),
    "00280011": element(4),
    "00280100": element(8),
  };
  const found = contentsOf([object("88.11", "1.1", ""), picture]);
  assert.equal(found.frames.length, 1);
  assert.equal(found.documents, undefined);
  assert.match(found.notice, /structured report/);
});

test("links lead to pictures of the DICOMweb service, and nowhere else", () => {
  const root = "/dicom-web/sites/main/studies/1.2/series/1.3/instances/1.4";
  assert.deepEqual(placeOfAddress(`${root}/rendered`), {
    study: "1.2",
    series: "1.3",
    sop: "1.4",
    frame: undefined,
  });
  assert.equal(placeOfAddress(`${root}/frames/7/rendered`).frame, 7);
  for (const other of [
    "javascript:alert(1)",
    "",
    undefined,
    "/studies/1.2/",
    "//x/studies/a/series/b",
  ]) {
    assert.equal(placeOfAddress(other), undefined);
  }
});

test("a picture is found by instance and frame", () => {
  const frames = [
    { sopInstanceUID: "1", frame: 1 },
    { sopInstanceUID: "2", frame: 1 },
    { sopInstanceUID: "2", frame: 2 },
  ];
  assert.equal(indexAt(frames, { sop: "2", frame: 2 }), 2);
  assert.equal(indexAt(frames, { sop: "2", frame: undefined }), 1);
  assert.equal(indexAt(frames, { sop: "2", frame: 9 }), 1);
  assert.equal(indexAt(frames, { sop: "3", frame: 1 }), -1);
});

test("a key object selection gives its images, frame by frame, and what was written", () => {
  const image = (sop, ...frames) => ({
    "0040A040": element("IMAGE"),
    "00081199": element({
      "00081155": element(sop),
      ...(frames.length && { "00081160": element(...frames) }),
    }),
  });
  const found = selectionOf({
    "0040A043": coded("Of Interest"),
    "0040A730": element(
      { "0040A040": element("PNAME"), "0040A123": element({ Alphabetic: "Ray^Rita" }) },
      { "0040A040": element("TEXT"), "0040A160": element("<b>Nodule</b>") },
      {
        "0040A040": element("CODE"),
        "0040A043": coded("Document Title Modifier"),
        "0040A168": coded("For Conference"),
      },
      image("1.1"),
      image("1.2", 2, 5),
      image("1.3"),
    ),
    "0040A375": element({
      "0020000D": element("9"),
      "00081115": element({
        "0020000E": element("9.1"),
        "00081199": element({ "00081155": element("1.1") }, { "00081155": element("1.2") }),
      }),
    }),
  });
  assert.equal(found.title, "Of Interest, For Conference");
  assert.equal(found.by, "Ray^Rita");
  assert.deepEqual(found.words, ["<b>Nodule</b>"]);
  assert.deepEqual(found.places, [
    { study: "9", series: "9.1", sop: "1.1", frame: undefined },
    { study: "9", series: "9.1", sop: "1.2", frame: 2 },
    { study: "9", series: "9.1", sop: "1.2", frame: 5 },
    { study: "", series: "", sop: "1.3", frame: undefined },
  ]);
  assert.deepEqual(selectionOf({}).places, []);
});

test("pages are asked for in steps of width", () => {
  assert.equal(widthFor(801, 1), 1000);
  assert.equal(widthFor(800, 1), 800);
  assert.equal(widthFor(700, 2), 1400);
  assert.equal(widthFor(9000, 2), 4000);
});

test("a document of somebody else says whose it says it is", () => {
  const patient = { id: "7", name: "DOE^Jane" };
  const of = (id, name) => ({ "00100020": element(id), "00100010": element({ Alphabetic: name }) });
  assert.equal(otherIdentity(of("7", "DOE^Jane"), patient), "");
  assert.equal(otherIdentity({}, patient), "");
  assert.equal(
    otherIdentity(of("8", "ROE^Rita"), patient),
    "carries another identity: ROE, Rita, ID 8",
  );
});
