import assert from "node:assert/strict";
import { test } from "node:test";

import {
  actionNames,
  actionOf,
  defaultKeys,
  nameOf,
  shortcuts,
} from "../../static/src/viewer/keys.js";
import { fitting, kept } from "../../static/src/viewer/own-windows.js";
import {
  buttonWith,
  chosenOf,
  defaultButtons,
  helpRows,
  keymap,
  takenBy,
  unusable,
} from "../../static/src/viewer/personal.js";

const press = (key, more = {}) => ({ key, ...more });

test("every action with a key has a name to give keys to", () => {
  for (const action of defaultKeys.keys()) {
    if (action !== "escape") assert.ok(actionNames[action], action);
  }
  assert.equal(new Set(Object.values(actionNames)).size, Object.keys(actionNames).length);
});

test("without a choice the help and the actions are the usual ones", () => {
  const map = keymap();
  const rows = helpRows(map, defaultButtons);
  assert.deepEqual(
    rows.map(({ names, mouse, does }) => [names, mouse, does]),
    shortcuts.map(({ keys, mouse, does }) => [Object.keys(keys), mouse, does]),
  );
  for (const [action, names] of defaultKeys) {
    for (const name of names) assert.equal(map.actions.get(name), action);
  }
  assert.deepEqual(chosenOf(map.keys), {});
});

test("a chosen key acts, the usual one does not, and the help says so", () => {
  const map = keymap({ invert: ["#"], "mode:zoom": ["F12", "Ctrl+Y"], "own-window:0": ["I"] });
  assert.equal(actionOf(press("#"), map.actions), "invert");
  assert.equal(actionOf(press("i"), map.actions), "own-window:0");
  assert.equal(actionOf(press("z"), map.actions), undefined);
  assert.equal(actionOf(press("F12"), map.actions), "mode:zoom");
  assert.equal(actionOf(press("y", { ctrlKey: true }), map.actions), "mode:zoom");
  const rows = helpRows(map, { ...defaultButtons, right: "pan", middle: "window", wheel: "zoom" });
  const does = (words) => rows.find((row) => row.does === words);
  assert.deepEqual(does("Invert grey values").names, ["#"]);
  assert.deepEqual(does("Your window 1").names, ["I"]);
  assert.deepEqual(does("Left button: window, scroll, zoom, pan").names, [
    "W",
    "S",
    "F12",
    "Ctrl+Y",
    "P",
  ]);
  assert.ok(does("Pan, window; wheel zoom"));
  assert.equal(does("Previous, next image").mouse, undefined);
  assert.deepEqual(chosenOf(map.keys), {
    invert: ["#"],
    "mode:zoom": ["F12", "Ctrl+Y"],
    "own-window:0": ["I"],
  });
});

test("an action without a key leaves the help; keys of two rows are said once", () => {
  const map = keymap({ cine: [], next: ["↓", "#"] });
  const rows = helpRows(map, defaultButtons);
  assert.ok(!rows.some(({ does }) => does === "Play, stop"));
  const both = rows.filter(({ does }) => does === "Previous, next image");
  assert.deepEqual(
    both.map(({ names }) => names),
    [["↑", "↓", "#"], ["←"]],
  );
});

test("what somebody chose comes before what is usual, Esc before everything", () => {
  const map = keymap({ planes: ["I", "Esc"], "no-such-thing": ["#"] });
  assert.equal(map.actions.get("I"), "planes");
  assert.equal(map.actions.get("Esc"), "escape");
  assert.deepEqual(map.keys.get("invert"), []);
  assert.deepEqual(map.unknown, ["no-such-thing"]);
});

test("what is given already is named", () => {
  const { keys } = keymap();
  assert.equal(takenBy(keys, "Z", "invert"), "Zoom");
  assert.equal(takenBy(keys, "Z", "mode:zoom"), undefined);
  assert.equal(takenBy(keys, "#", "invert"), undefined);
  assert.equal(buttonWith(defaultButtons, "pan", "right"), "middle");
  assert.equal(buttonWith(defaultButtons, "window", "right"), "left");
  assert.equal(buttonWith(defaultButtons, "scroll", "right"), undefined);
  assert.equal(buttonWith(defaultButtons, "zoom", "wheel"), undefined);
});

test("keys are named as the help writes them, and some cannot be given", () => {
  const name = (key, more) => nameOf(press(key, more));
  assert.equal(name("z"), "Z");
  assert.equal(name("PageUp"), "Page Up");
  assert.equal(name(" "), "Space");
  assert.equal(name("Z", { ctrlKey: true, shiftKey: true }), "Ctrl+Shift+Z");
  assert.equal(name("F11"), "F11");
  for (const usable of ["#", "ß", "F11", "Space", "Page Up", "Ctrl+Z", "#"]) {
    assert.equal(unusable(usable), "", usable);
  }
  assert.match(unusable("Ctrl+W"), /belong to the browser/);
  assert.match(unusable("#", { altKey: true }), /belong to the browser/);
  assert.match(unusable("Esc"), /always/);
  assert.match(unusable("MediaPlay"), /cannot be given/);
  assert.equal(unusable("Shift"), undefined);
  assert.equal(unusable("Ctrl+Control"), undefined);
});

const element = (...values) => ({ Value: values });
const ct = { modality: "CT", dataset: {}, rescaleType: "HU" };
const pet = {
  modality: "PT",
  dataset: { "00541001": element("GML") },
};

test("a window that was kept comes back as the same greys, in pictures where it means something", () => {
  const range = { lower: -160, upper: 239 };
  const window = { id: 1, name: "Mine", ...kept(ct, range) };
  assert.deepEqual(window, {
    id: 1,
    name: "Mine",
    modality: "CT",
    unit: "HU",
    center: 40,
    width: 400,
  });
  const [found] = fitting(ct, [window]);
  assert.deepEqual(found.window, { center: 40, width: 400, shape: "LINEAR" });
  assert.deepEqual(fitting({ ...ct, rescaleType: "US" }, [window]), []);
  assert.deepEqual(fitting({ ...ct, modality: "MR" }, [window]), []);
  const suv = kept(pet, { lower: 0, upper: 7 });
  assert.deepEqual(suv, { modality: "PT", unit: "SUV", center: 3.5, width: 7 });
});
