import assert from "node:assert/strict";
import { test } from "node:test";

import { tokenOf } from "../../static/src/app/csrf.js";
import { kindOf, wordsOf } from "../../static/src/reports/api.js";
import { DELAY, createAutosave, wordsOfState } from "../../static/src/reports/autosave.js";
import { isInline, typed } from "../../static/src/reports/expansion.js";
import { differences, merged } from "../../static/src/reports/merging.js";
import { numberOf, objection } from "../../static/src/reports/numbers.js";
import { pairOf, reaction, standing } from "../../static/src/reports/pairing.js";
import { keyImageText, measurementText, valueText } from "../../static/src/reports/placing.js";
import { actionOf } from "../../static/src/reports/shortcuts.js";
import { localRecogniser } from "../../static/src/reports/speech.js";
import { withNormal, withTemplate } from "../../static/src/reports/starting.js";
import { distanceTo, isAtDetector, rescaled } from "../../static/src/viewer/length.js";

/** An autosave whose server and clock are the test's. */
function bench(answers = []) {
  const bench_ = { text: "a", puts: [], states: [], timers: [] };
  bench_.autosave = createAutosave({
    content: () => ({ text: bench_.text }),
    put: async (content, revision, leaving) => {
      bench_.puts.push({ ...content, revision, leaving });
      const answer = answers.shift() ?? { kind: "ok", data: { revision: revision + 1 } };
      return typeof answer === "function" ? answer() : answer;
    },
    show: (state) => bench_.states.push(state.name),
    later: (call, wait) => bench_.timers.push({ call, wait }) - 1,
    never: (timer) => timer !== undefined && delete bench_.timers[timer],
  });
  bench_.tick = async () => {
    const due = bench_.timers.filter(Boolean);
    bench_.timers = [];
    for (const { call } of due) call();
    await new Promise((resolve) => setTimeout(resolve));
  };
  bench_.autosave.start(1, "2026-01-01T10:00:00Z");
  bench_.type = (text) => {
    bench_.text = text;
    bench_.autosave.changed();
  };
  return bench_;
}

test("a change is saved after three seconds, typing on does not put it off", async () => {
  const { autosave, puts, timers, tick, type, ...rest } = bench();
  void rest;
  type("ab");
  assert.equal(autosave.state.name, "dirty");
  assert.deepEqual(
    timers.filter(Boolean).map(({ wait }) => wait),
    [DELAY],
  );
  type("abc");
  await tick();
  assert.deepEqual(puts, [{ text: "abc", revision: 1, leaving: false }]);
  assert.equal(autosave.state.name, "saved");
  assert.equal(autosave.revision, 2);
  assert.equal(autosave.isDirty(), false);
});

test("nothing is sent where nothing changed", async () => {
  const one = bench();
  one.autosave.changed();
  await one.autosave.flush();
  assert.equal(one.puts.length, 0);
});

test("what is typed while a save is under way is saved after it", async () => {
  const one = bench();
  one.type("b");
  const saving = one.autosave.flush();
  one.type("c");
  await saving;
  assert.equal(one.autosave.state.name, "dirty");
  await one.tick();
  assert.deepEqual(
    one.puts.map(({ text, revision }) => [text, revision]),
    [
      ["b", 1],
      ["c", 2],
    ],
  );
});

test("offline the text is kept and tried again, less and less often", async () => {
  const down = { kind: "offline", data: {} };
  const one = bench([down, down]);
  one.type("b");
  await one.autosave.flush();
  assert.equal(one.autosave.state.name, "offline");
  assert.equal(one.timers.filter(Boolean)[0].wait, 2000);
  await one.tick();
  assert.equal(one.timers.filter(Boolean)[0].wait, 4000);
  assert.equal(one.autosave.isDirty(), true);
  await one.tick();
  assert.equal(one.autosave.state.name, "saved");
});

test("a session that is over keeps the text until somebody has logged in", async () => {
  const one = bench([{ kind: "session", data: {} }]);
  one.type("b");
  await one.autosave.flush();
  assert.equal(one.autosave.state.name, "session");
  one.type("bc");
  assert.equal(one.autosave.state.name, "session");
  await one.autosave.retry();
  assert.equal(one.autosave.state.name, "saved");
  assert.equal(one.puts.at(-1).text, "bc");
});

test("a stale save is never repeated by itself", async () => {
  const theirs = { code: "stale", revision: 7, content: { text: "theirs" } };
  const one = bench([{ kind: "conflict", data: theirs }]);
  one.type("mine");
  await one.autosave.flush();
  assert.deepEqual(one.autosave.state, { name: "conflict", theirs });
  one.type("mine and more");
  await one.tick();
  await one.autosave.flush();
  assert.equal(one.puts.length, 1);
  assert.equal(one.autosave.isDirty(), true);
  await one.autosave.resolved(7);
  assert.deepEqual(one.puts.at(-1), { text: "mine and more", revision: 7, leaving: false });
});

test("who may no longer write keeps the text and is told why", async () => {
  const one = bench([{ kind: "conflict", data: { code: "taken", detail: "B writes now." } }]);
  one.type("mine");
  await one.autosave.flush();
  assert.equal(one.autosave.state.name, "refused");
  assert.equal(one.autosave.state.words, "B writes now.");
  assert.equal(one.autosave.isDirty(), true);
  await one.autosave.retry();
  assert.equal(one.autosave.state.name, "saved");
});

test("what the portal does not take is sent again when it has changed", async () => {
  const one = bench([{ kind: "invalid", data: { detail: "Too long." } }]);
  one.type("b");
  await one.autosave.flush();
  assert.equal(one.autosave.state.name, "invalid");
  one.type("c");
  assert.equal(one.autosave.state.name, "dirty");
  await one.tick();
  assert.equal(one.autosave.state.name, "saved");
});

test("the state of saving is said in words", () => {
  const at = new Date(2026, 0, 1, 12, 1, 7).toISOString();
  assert.equal(wordsOfState({ name: "saved", at }), "Autosaved 12:01:07");
  assert.match(wordsOfState({ name: "offline" }), /kept in this tab, trying again/);
});

test("answers of the server", () => {
  const kinds = { 200: "ok", 401: "session", 409: "conflict", 403: "refused", 404: "gone" };
  for (const [status, kind] of Object.entries(kinds)) assert.equal(kindOf(Number(status)), kind);
  assert.equal(kindOf(400), "invalid");
  assert.equal(kindOf(503), "error");
  assert.equal(tokenOf("a=1; lightbox_csrf=abc; b=2", "page"), "abc");
  assert.equal(tokenOf("other_lightbox_csrf=abc", "page"), "page");
  assert.equal(wordsOf({ content: ["Not a dictionary."] }, ""), "Not a dictionary.");
});

const doc = (sections, more = {}) => ({
  sections: Object.entries(sections).map(([key, html]) => ({ key, title: key, html, fields: [] })),
  key_images: [],
  measurements: [],
  ...more,
});

test("of two versions nothing is lost", () => {
  const mine = doc({ a: "<p>same</p>", b: "<p>mine</p>", c: "<p>only mine</p>" });
  const theirs = doc(
    { a: "<p>same</p>", b: "<p>theirs</p>", d: "<p>only theirs</p>" },
    { measurements: ["m"] },
  );
  assert.deepEqual(
    differences(mine, theirs).map(({ key }) => key),
    ["b", "c", "d"],
  );
  const both = merged(mine, theirs, { b: "both" });
  const html = Object.fromEntries(both.sections.map((section) => [section.key, section.html]));
  assert.equal(html.b, "<p>theirs</p><p>mine</p>");
  assert.equal(html.c, "<p>only mine</p>");
  assert.equal(html.d, "<p>only theirs</p>");
  assert.deepEqual(both.measurements, ["m"]);
  const chosen = merged(mine, theirs, { b: "theirs" });
  assert.equal(chosen.sections[1].html, "<p>theirs</p>");
});

const template = {
  id: 4,
  version: 2,
  name: "CT chest",
  language: "en",
  body: {
    title: "CT chest",
    sections: [
      { key: "technique", title: "Technique", html: "<p>Spiral.</p>", normal: "", fields: [] },
      {
        key: "findings",
        title: "Findings",
        html: "",
        normal: "<p>Normal.</p>",
        fields: [{ key: "size", label: "Size", kind: "number", unit: "mm", default: null }],
      },
    ],
  },
};

test("a template takes nothing away", () => {
  const before = doc({ findings: "<p>Mass.</p>", old: "<p>Kept.</p>", empty: "" });
  before.sections[0].fields = [{ key: "size", kind: "number", value: 5 }];
  const after = withTemplate(before, template);
  assert.deepEqual(
    after.sections.map(({ key, html }) => [key, html]),
    [
      ["technique", "<p>Spiral.</p>"],
      ["findings", "<p>Mass.</p>"],
      ["old", "<p>Kept.</p>"],
    ],
  );
  assert.equal(after.sections[1].fields[0].value, 5);
  assert.deepEqual(after.template, { id: 4, version: 2, name: "CT chest" });
});

test("the normal report fills what is empty only", () => {
  const empty = withNormal(withTemplate(doc({}), template), template.body);
  assert.deepEqual(empty.filled, ["Findings"]);
  assert.equal(empty.content.sections[1].html, "<p>Normal.</p>");
  const written = withNormal(
    withTemplate(doc({ findings: "<p>Mass.</p>" }), template),
    template.body,
  );
  assert.deepEqual([written.filled, written.kept], [[], ["Findings"]]);
});

test("macros: the word before a space, where they belong", () => {
  const macros = [
    { abbreviation: "nl", html: "<p>normal lungs</p>", sections: ["findings"], modalities: ["CT"] },
    { abbreviation: "nl", html: "<p>no lesion</p>", sections: [], modalities: [] },
  ];
  const ct = { section: "findings", modalities: ["CT"], language: "en-GB" };
  assert.equal(typed("See nl ", macros, ct).macro, macros[0]);
  assert.equal(typed("(nl ", macros, ct).length, 3);
  assert.equal(typed("nl ", macros, { section: "impression" }).macro, macros[1]);
  for (const text of ["nl", "xnl ", "NL ", "", " ", "nl. "]) {
    assert.equal(typed(text, macros, ct), undefined);
  }
  const german = [{ abbreviation: "ob", html: "", language: "de" }];
  assert.equal(typed("ob ", german, ct), undefined);
  assert.equal(isInline("<p>one <strong>line</strong></p>"), true);
  assert.equal(isInline("<p>two</p><p>lines</p>"), false);
});

test("numbers as people write them", () => {
  assert.deepEqual(numberOf(" 12,5 "), { value: 12.5, wrong: false });
  assert.deepEqual(numberOf("−3"), { value: -3, wrong: false });
  assert.deepEqual(numberOf(""), { value: null, wrong: false });
  for (const text of ["1,234", "12 mm", "1e3", "--1"]) assert.equal(numberOf(text).wrong, true);
  assert.equal(objection("5", { minimum: 10 }), "At least 10");
  assert.equal(objection("5", { maximum: 4 }), "At most 4");
  assert.equal(objection("", { minimum: 10 }), "");
});

test("measurements in words", () => {
  const length = {
    values: [{ name: "length", value: 12.34, unit: "mm" }],
    series_number: 3,
    instance_number: 42,
    frame: 1,
    frames: 1,
  };
  assert.equal(measurementText(length), "12.3 mm, series 3 image 42");
  assert.equal(valueText({ ...length, at_detector: true }), "12.3 mm at detector");
  assert.equal(valueText({ values: [{ value: 45.4, unit: "px" }], at_detector: true }), "45 px");
  assert.equal(
    keyImageText({ ...length, frame: 7, frames: 9 }, 2),
    "key image 2, series 3 image 42 frame 7",
  );
});

test("what is measured at the detector is said so", () => {
  const spacing = (source) => ({ spacing: { row: 0.14, column: 0.14, source }, modality: "DX" });
  assert.equal(isAtDetector(spacing("detector"), [0.14, 0.14]), true);
  assert.equal(isAtDetector(spacing("patient"), undefined), false);
  assert.equal(isAtDetector(spacing("patient"), [0.14, 0.14]), true);
  assert.equal(isAtDetector(spacing("patient"), [0.14, 0.14], "FIDUCIAL"), false);
  assert.equal(isAtDetector(spacing("patient"), [0.2, 0.2]), false);
  assert.equal(isAtDetector({ ...spacing("patient"), modality: "CT" }, [0.14, 0.14]), false);
});

test("points on a picture that the server drew smaller", () => {
  const [stored, drawn] = [
    { rows: 100, columns: 200 },
    { rows: 50, columns: 50 },
  ];
  assert.deepEqual(rescaled([-0.5, -0.5], drawn, stored), [-0.5, -0.5]);
  assert.deepEqual(rescaled([49.5, 49.5], drawn, stored), [199.5, 99.5]);
  assert.equal(distanceTo([0, 3], [-5, 0], [5, 0]), 3);
  assert.equal(distanceTo([8, 4], [-5, 0], [5, 0]), 5);
});

const window_ = (role, patient, study, pair = "aaaaaaaa") => ({ role, patient, study, pair });

test("windows of a pair follow one another to another patient, others never", () => {
  const report = window_("report", 1, 10);
  assert.equal(reaction(report, window_("viewer", 2, 20)), "follow");
  assert.equal(reaction(report, window_("viewer", 1, 11)), "nothing");
  assert.equal(reaction(report, window_("viewer", 2, 20, "bbbbbbbb")), "nothing");
  assert.equal(reaction(report, window_("report", 2, 20)), "nothing");
  assert.equal(reaction({ ...report, pair: "" }, window_("viewer", 2, 20, "")), "nothing");
});

test("another patient in the other window is seen", () => {
  const report = window_("report", 1, 10);
  assert.equal(standing(report, []), "none");
  assert.equal(standing(report, [window_("viewer", 1, 10)]), "same");
  assert.equal(standing(report, [window_("viewer", 1, 11)]), "study");
  assert.equal(standing(report, [window_("viewer", 2, 20)]), "patient");
  // Its own partner counts before other windows.
  const others = [window_("viewer", 1, 10, "bbbbbbbb"), window_("viewer", 2, 20)];
  assert.equal(standing(report, others), "patient");
  assert.equal(pairOf("lightbox-report:0d9fb9a2-55b5"), "0d9fb9a2-55b5");
  assert.equal(pairOf("something else"), "");
});

test("keys of the report leave AltGr and composing alone", () => {
  const press = (code, more = {}) => actionOf({ code, ...more });
  assert.equal(press("KeyN", { altKey: true }), "normal");
  assert.equal(press("KeyN", { altKey: true, ctrlKey: true }), undefined);
  assert.equal(press("KeyN"), undefined);
  assert.equal(press("Enter", { ctrlKey: true }), "sign-final");
  assert.equal(press("Enter", { ctrlKey: true, shiftKey: true }), "sign-preliminary");
  assert.equal(press("Escape", { isComposing: true }), undefined);
});

/** A browser's speech recognition that says `found` of itself. */
function recognition(found, { isLocal = true } = {}) {
  class Recognition {
    static asked = [];

    static async available(options) {
      Recognition.asked.push(options);
      if (found instanceof Error) throw found;
      return found;
    }
  }
  if (isLocal) Recognition.prototype.processLocally = false;
  return Recognition;
}

test("speech is recognised on this device or not at all", async (context) => {
  context.after(() => {
    delete globalThis.SpeechRecognition;
    delete globalThis.webkitSpeechRecognition;
  });
  // What older browsers have sends the sound to its maker.
  globalThis.webkitSpeechRecognition = recognition("available", { isLocal: false });
  assert.equal(await localRecogniser("en"), undefined);
  for (const Recognition of [
    recognition("available", { isLocal: false }),
    recognition("downloadable"),
    recognition("downloading"),
    recognition("unavailable"),
    recognition(new Error("no")),
    class {},
  ]) {
    globalThis.SpeechRecognition = Recognition;
    assert.equal(await localRecogniser("en"), undefined);
  }
  globalThis.SpeechRecognition = recognition("available");
  const made = (await localRecogniser("de"))();
  assert.deepEqual(globalThis.SpeechRecognition.asked, [{ langs: ["de"], processLocally: true }]);
  assert.equal(made.processLocally, true);
  assert.equal(made.lang, "de");
});
