import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, deflateRawSync } from "node:zlib";

import { decoded } from "../../static/src/upload/charset.js";
import { headerOf, NeedMore } from "../../static/src/upload/header.js";
import { patientsOf, warningsOf } from "../../static/src/upload/plan.js";
import { AT_ONCE, Sender } from "../../static/src/upload/sending.js";
import { dateOf, lasting, nameOf, sizeOf } from "../../static/src/upload/words.js";
import { beginning, directory, LIMITS, obstacle, unpacked } from "../../static/src/upload/zip.js";

/** An archive; `change(entry)` spoils what its directory says. */
function archive(files, change = () => undefined) {
  const parts = [];
  const central = [];
  let at = 0;
  for (const [name, content, method = 8] of files) {
    const packed = method === 8 ? deflateRawSync(content) : Buffer.from(content);
    const label = Buffer.from(name);
    const entry = {
      crc: crc32(content),
      packed: packed.length,
      size: content.length,
      offset: at,
      flags: 0,
    };
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(method, 8);
    local.writeUInt16LE(label.length, 26);
    parts.push(local, label, packed);
    at += 30 + label.length + packed.length;
    change(entry, central.length);
    const head = Buffer.alloc(46);
    head.writeUInt32LE(0x02014b50, 0);
    head.writeUInt16LE(entry.flags, 8);
    head.writeUInt16LE(method, 10);
    head.writeUInt32LE(entry.crc, 16);
    head.writeUInt32LE(entry.packed, 20);
    head.writeUInt32LE(entry.size, 24);
    head.writeUInt16LE(label.length, 28);
    head.writeUInt32LE(entry.offset, 42);
    central.push(Buffer.concat([head, label]));
  }
  const table = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(table.length, 12);
  end.writeUInt32LE(at, 16);
  return new Blob([...parts, table, end]);
}

const TEXT = Buffer.from("an image of some length ".repeat(5000));

test("an archive is read in place", async () => {
  const blob = archive([
    ["a/", Buffer.alloc(0), 0],
    ["a/1.dcm", TEXT],
    ["a/2.dcm", TEXT, 0],
  ]);
  const entries = await directory(blob);
  assert.deepEqual(
    entries.map(({ name, size }) => [name, size]),
    [
      ["a/1.dcm", TEXT.length],
      ["a/2.dcm", TEXT.length],
    ],
  );
  for (const entry of entries) {
    assert.ok(Buffer.from(await (await unpacked(blob, entry)).arrayBuffer()).equals(TEXT));
    const first = await beginning(blob, entry, 200);
    assert.ok(first.length >= 200);
    assert.ok(TEXT.subarray(0, first.length).equals(first));
  }
});

test("names that climb are only names", async () => {
  const entries = await directory(archive([["../../etc/passwd", TEXT]]));
  assert.equal(entries[0].name, "../../etc/passwd");
});

test("bombs are refused before anything is unpacked", async () => {
  const ones = Array.from({ length: 5 }, (_, at) => [`${at}`, TEXT]);
  await assert.rejects(directory(archive(ones), { ...LIMITS, entries: 4 }), /more than 4 files/);
  await assert.rejects(
    directory(archive(ones), { ...LIMITS, total: 4 * TEXT.length }),
    /far more than it should/,
  );
  const zeros = [["zeros", Buffer.alloc(20_000_000)]];
  await assert.rejects(directory(archive(zeros), { ...LIMITS, free: 1e6 }), /far more/);
  assert.equal((await directory(archive(zeros))).length, 1);
  // Each entry names the same bytes.
  const overlapping = archive(ones, (entry) => {
    entry.offset = 0;
  });
  await assert.rejects(directory(overlapping), /overlap/);
});

test("an entry that unpacks to more than was said is stopped, whatever was said", async () => {
  const liar = archive([["zeros", Buffer.alloc(50_000_000)]], (entry) => {
    entry.size = 1000;
  });
  const [entry] = await directory(liar);
  await assert.rejects(unpacked(liar, entry), /more than the archive says/);
});

test("damage is found by length and checksum", async () => {
  const short = archive([["a", TEXT]], (entry) => {
    entry.size += 1;
  });
  await assert.rejects(unpacked(short, (await directory(short))[0]), /checksum/);
  const other = archive([["a", TEXT]], (entry) => {
    entry.crc = (entry.crc ^ 1) >>> 0;
  });
  await assert.rejects(unpacked(other, (await directory(other))[0]), /checksum/);
  const whole = archive([["a", TEXT]]);
  await assert.rejects(directory(whole.slice(0, whole.size - 5)), /cut off or damaged/);
  await assert.rejects(directory(new Blob([])), /cut off or damaged/);
  await assert.rejects(directory(new Blob([Buffer.alloc(100_000)])), /cut off or damaged/);
});

test("a password is said", async () => {
  const [entry] = await directory(
    archive([["a", TEXT]], (each) => {
      each.flags = 1;
    }),
  );
  assert.match(obstacle(entry), /password/);
});

const element = (group, number, vr, value) => {
  const content = Buffer.from(
    value.length % 2 ? Buffer.concat([value, Buffer.from([vr === "UI" ? 0 : 32])]) : value,
  );
  const head = Buffer.alloc(8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4, "latin1");
  head.writeUInt16LE(content.length, 6);
  return Buffer.concat([head, content]);
};
const ui = (group, number, uid) => element(group, number, "UI", Buffer.from(uid));

function dicom({
  name = Buffer.from("DOE^Jane"),
  charset = "ISO_IR 100",
  sop = "1.2.840.10008.5.1.4.1.1.2",
  long = 0,
} = {}) {
  const meta = Buffer.concat([
    ui(2, 2, sop),
    ui(2, 3, "1.2.3"),
    ui(2, 0x10, "1.2.840.10008.1.2.1"),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(meta.length);
  const filler = Buffer.alloc(12 + long);
  filler.writeUInt16LE(9, 0);
  filler.writeUInt16LE(0x1001, 2);
  filler.write("OB", 4, "latin1");
  filler.writeUInt32LE(long, 8);
  return Buffer.concat([
    Buffer.alloc(128),
    Buffer.from("DICM"),
    element(2, 0, "UL", length),
    meta,
    element(8, 5, "CS", Buffer.from(charset)),
    ui(8, 0x16, sop),
    ui(8, 0x18, "1.2.3"),
    ...(long ? [filler] : []),
    element(0x10, 0x10, "PN", name),
    element(0x10, 0x20, "LO", Buffer.from("P-1")),
    ui(0x20, 0xd, "1.2.4"),
    ui(0x20, 0xe, "1.2.5"),
  ]);
}

test("headers in several character sets", async () => {
  const { facts } = await headerOf(dicom(), true);
  assert.equal(facts.patientName, "DOE^Jane");
  assert.equal(facts.birthDate, "");
  assert.deepEqual([facts.sopInstanceUid, facts.studyInstanceUid], ["1.2.3", "1.2.4"]);
  const latin = { name: Buffer.from("M\xdcLLER^J\xfcrgen", "latin1") };
  assert.equal((await headerOf(dicom(latin), true)).facts.patientName, "MÜLLER^Jürgen");
  const arabic = { name: Buffer.from("قباني^لنزار"), charset: "ISO_IR 192" };
  assert.equal((await headerOf(dicom(arabic), true)).facts.patientName, "قباني^لنزار");
  // PS3.5 H.3.1.
  const kanji = Buffer.from("Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "latin1");
  assert.equal(decoded(kanji, "\\ISO 2022 IR 87"), "Yamada^Tarou=山田^太郎");
  // PS3.5 I.2.
  const hangul = Buffer.from("Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "latin1");
  assert.equal(decoded(hangul, "\\ISO 2022 IR 149"), "Hong^Gildong=洪^吉洞");
});

test("what is no image is left out with a word", async () => {
  assert.match((await headerOf(Buffer.alloc(0), true)).left, /empty/);
  assert.match((await headerOf(Buffer.from("%PDF-1.4"), true)).left, /Not a DICOM/);
  assert.match((await headerOf(dicom({ sop: "1.2.840.10008.1.3.10" }), true)).left, /DICOMDIR/);
  assert.match((await headerOf(dicom().subarray(0, 330), true)).left, /header/);
});

test("a long header is asked for, not given up", async () => {
  const long = dicom({ long: 100_000 });
  await assert.rejects(headerOf(long.subarray(0, 65_536), false), NeedMore);
  assert.equal((await headerOf(long, true)).facts.patientId, "P-1");
});

const fact = (more) => ({
  size: 10,
  facts: {
    patientId: "1",
    patientName: "DOE^Jane",
    birthDate: "",
    sex: "F",
    studyInstanceUid: "1.1",
    seriesInstanceUid: "1.1.1",
    studyDate: "",
    description: "",
    accession: "",
    modality: "CT",
    ...more,
  },
});

test("patients are kept apart and doubts are said", () => {
  const patients = patientsOf([
    fact({}),
    fact({ modality: "SR" }),
    fact({ patientName: "DOE^John" }),
    fact({ patientId: "", studyInstanceUid: "1.3" }),
  ]);
  assert.deepEqual(
    patients.map(({ studies }) => studies.map(({ uid, files }) => [uid, files])),
    [[["1.1", 2]], [["1.1", 1]], [["1.3", 1]]],
  );
  const warned = (patient, place) => warningsOf(patient, patient.studies[0], place, patients);
  assert.match(warned(patients[0])[0], /different patients/);
  assert.match(warned(patients[2])[0], /no patient ID/);
  const alone = patientsOf([fact({ birthDate: "19720304" })]);
  const told = (known, more = {}) =>
    warningsOf(alone[0], alone[0].studies[0], { patients: [known], ...more }, alone);
  assert.deepEqual(told({ name: "Doe^JANE^", birth_date: "19720304", sex: "F" }), []);
  assert.deepEqual(told({ name: "DOE^Jane", birth_date: "", sex: "" }), []);
  assert.match(told({ name: "DOE^Jane", birth_date: "19720305", sex: "F" })[0], /1972-03-05/);
  assert.match(told({ name: "ROE^Richard", birth_date: "", sex: "" })[0], /ROE, Richard/);
  assert.match(
    told({ name: "X", birth_date: "", sex: "" }, { other_patient: true })[0],
    /quarantine/,
  );
});

test("words", () => {
  assert.equal(nameOf("DOE^Jane^M"), "DOE, Jane M");
  assert.equal(nameOf("=山田^太郎"), "山田, 太郎");
  assert.equal(nameOf("^^"), "no name");
  assert.equal(dateOf("19720304"), "1972-03-04");
  assert.equal(dateOf("1972.03.04"), "1972.03.04");
  assert.deepEqual([999, 1500, 999_999, 4.2e9].map(sizeOf), [
    "999 B",
    "1.5 KB",
    "1.0 MB",
    "4.2 GB",
  ]);
  assert.deepEqual([5, 240, 4200].map(lasting), ["less than a minute", "4 min", "1 h 10 min"]);
});

const OK = { status: 201, body: { outcome: "stored", words: "" } };

function sending(post, more = {}) {
  const posts = [];
  const sender = new Sender({
    content: async ({ name }) => ({ body: name, sha256: `sha-${name}` }),
    post: async (item) => {
      posts.push(item.name);
      return post(item, posts);
    },
    check: async () => undefined,
    changed: () => undefined,
    later: (run) => setImmediate(run),
    ...more,
  });
  return { sender, posts };
}

const files = (count) =>
  Array.from({ length: count }, (_, at) => ({ name: `${at}`, size: 5, sent: 0 }));

test("a few at a time, each once", async () => {
  let most = 0;
  let now = 0;
  const { sender, posts } = sending(async () => {
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => setImmediate(resolve));
    now -= 1;
    return OK;
  });
  const items = files(100);
  await sender.send(items);
  assert.equal(most, AT_ONCE);
  assert.equal(new Set(posts).size, 100);
  assert.equal(posts.length, 100);
  assert.ok(items.every(({ state, sent }) => state === "stored" && sent === 5));
});

test("an answer that was lost is asked for before anything is sent again", async () => {
  const checked = [];
  const { sender, posts } = sending(
    (item, all) =>
      all.filter((name) => name === item.name).length === 1 && item.name < "3" ? { status: 0 } : OK,
    {
      check: async (item) => {
        checked.push(item.name);
        item.arrived = item.name === "0" ? [{ sha256: "sha-0", outcome: "stored", words: "" }] : [];
      },
    },
  );
  const items = files(6);
  await sender.send(items);
  assert.deepEqual(checked.sort(), ["0", "1", "2"]);
  assert.equal(posts.filter((name) => name === "0").length, 1);
  assert.equal(posts.filter((name) => name === "1").length, 2);
  assert.deepEqual(
    items.map(({ state }) => state),
    ["duplicate", ...Array(5).fill("stored")],
  );
  assert.equal(sender.cut, "");
});

test("what arrived earlier with other bytes is sent", async () => {
  const { sender, posts } = sending(() => ({
    status: 202,
    body: { outcome: "quarantined", words: "Another image." },
  }));
  const [item] = files(1);
  item.arrived = [{ sha256: "other", outcome: "stored", words: "" }];
  await sender.send([item]);
  assert.deepEqual(posts, ["0"]);
  assert.deepEqual([item.state, item.words], ["quarantined", "Another image."]);
});

test("a portal that is away is waited for without end, an error of one file is not", async () => {
  const away = sending((_item, all) => (all.length < 200 ? { status: 503, body: null } : OK));
  const items = files(2);
  await away.sender.send(items);
  assert.ok(items.every(({ state }) => state === "stored"));
  const broken = sending((item) => (item.name === "1" ? { status: 500 } : OK));
  const others = files(3);
  await broken.sender.send(others);
  assert.deepEqual(
    others.map(({ state }) => state),
    ["stored", "refused", "stored"],
  );
  assert.match(others[1].words, /500/);
});

test("a proxy's page is no answer", async () => {
  const { sender, posts } = sending((_item, all) =>
    all.length === 1 ? { status: 200, body: null } : OK,
  );
  const [item] = files(1);
  await sender.send([item]);
  assert.equal(posts.length, 2);
  assert.equal(item.state, "stored");
});

test("a logout halts all, and somebody goes on", async () => {
  let loggedIn = false;
  const { sender, posts } = sending(() => (loggedIn ? OK : { status: 401 }));
  const items = files(10);
  const done = sender.send(items);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.match(sender.halted, /logged out/);
  assert.equal(posts.length, AT_ONCE);
  loggedIn = true;
  sender.goOn();
  await done;
  assert.ok(items.every(({ state }) => state === "stored"));
});

test("stopped: nothing more goes, what waits can be sent later", async () => {
  const { sender, posts } = sending(async () => {
    if (posts.length === AT_ONCE) sender.stop();
    await new Promise((resolve) => setImmediate(resolve));
    return posts.length === 1 ? { status: 0 } : OK;
  });
  const items = files(20);
  await sender.send(items);
  assert.equal(posts.length, AT_ONCE);
  assert.equal(items.filter(({ state }) => state === "ready").length, 20 - AT_ONCE);
  await sender.send(items.filter(({ state }) => state === "ready"));
  assert.ok(items.every(({ state }) => state === "stored"));
  assert.equal(posts.length, 20);
});

test("a file that can no longer be read stops nothing", async () => {
  const { sender } = sending(() => OK, {
    content: async ({ name }) => {
      if (name === "1") throw new Error("gone");
      return { body: name, sha256: "" };
    },
  });
  const items = files(3);
  await sender.send(items);
  assert.deepEqual(
    items.map(({ state }) => state),
    ["stored", "refused", "stored"],
  );
});
