import assert from "node:assert/strict";
import { test } from "node:test";

import { concerns, trouble } from "../../static/src/disc/dialog.js";
import { GAP, LONGEST, Wedge } from "../../static/src/worklist/wedge.js";

/** A wedge with a clock of its own: `type(text, gap)` presses keys, `pass(ms)` lets time go by. */
function made() {
  const scans = [];
  const keys = [];
  let now = 1000;
  let timer;
  const wedge = new Wedge({
    onScan: (code) => scans.push(code),
    onKey: (key) => keys.push(key),
    wait: (then, after) => (timer = { then, at: now + after }),
    cancel: () => (timer = undefined),
  });
  const pass = (ms) => {
    now += ms;
    if (timer && timer.at <= now) {
      const { then } = timer;
      timer = undefined;
      then();
    }
  };
  const press = (key, gap = 5, isRepeat = false) => {
    pass(gap);
    return wedge.press(key, now, isRepeat);
  };
  const type = (text, gap = 5) => [...text].map((key) => press(key, gap));
  return { scans, keys, pass, press, type };
}

test("a burst that ends with Enter is a scan, and none of its keys is a shortcut", () => {
  const { scans, keys, type, press, pass } = made();
  assert.ok(type("rjkc/A-1?").every(Boolean));
  assert.equal(press("Enter"), true);
  pass(1000);
  assert.deepEqual(scans, ["rjkc/A-1?"]);
  assert.deepEqual(keys, []);
});

test("capital letters come with Shift", () => {
  const { scans, press } = made();
  for (const key of ["Shift", "A", "Shift", "B", "1", "2"]) press(key);
  press("Enter");
  assert.deepEqual(scans, ["AB12"]);
});

test("keys of a person are passed on after a moment, in their order", () => {
  const { scans, keys, type, press, pass } = made();
  type("jk", 120);
  pass(GAP + 10);
  assert.deepEqual(keys, ["j", "k"]);
  type("nr", 20);
  pass(GAP + 10);
  assert.deepEqual(keys, ["j", "k", "n", "r"]);
  assert.equal(press("Enter", 500), false);
  assert.deepEqual(scans, []);
});

test("slow typing that ends with Enter is no scan", () => {
  const { scans, keys, type, press } = made();
  type("12345", GAP + 20);
  assert.equal(press("Enter", GAP + 20), false);
  assert.deepEqual(scans, []);
  assert.deepEqual(keys, ["1", "2", "3", "4", "5"]);
});

test("Enter long after a burst is a person's", () => {
  const { scans, keys, type, press } = made();
  type("A12345");
  assert.equal(press("Enter", 400), false);
  assert.deepEqual(scans, []);
  assert.deepEqual(keys, []);
});

test("a burst without Enter triggers nothing", () => {
  const { scans, keys, type, pass } = made();
  type("rrrrrr");
  pass(1000);
  assert.deepEqual([scans, keys], [[], []]);
});

test("three keys and Enter are no code", () => {
  const { scans, keys, type, press } = made();
  type("abc");
  assert.equal(press("Enter"), false);
  assert.deepEqual(scans, []);
  assert.deepEqual(keys, ["a", "b", "c"]);
});

test("a key that is held down, arrows and function keys pass at once", () => {
  const { keys, press } = made();
  assert.equal(press("j", 30, true), false);
  assert.equal(press("ArrowDown"), false);
  assert.equal(press("F5"), false);
  assert.equal(press(" "), false);
  assert.deepEqual(keys, []);
});

test("what is too long or blank is no code", () => {
  const { scans, type, press } = made();
  type("x".repeat(LONGEST + 1));
  assert.equal(press("Enter"), true);
  type("1    ");
  press("Enter");
  assert.deepEqual(scans, []);
});

test("two scans after one another", () => {
  const { scans, type, press } = made();
  type("A1111");
  press("Enter");
  type("B2222", 10);
  press("Enter");
  assert.deepEqual(scans, ["A1111", "B2222"]);
});

test("which events concern the dialog of discs", () => {
  assert.ok(concerns({ type: "command.changed", command: 7 }, ["7", "8"]));
  assert.ok(!concerns({ type: "command.changed", command: 9 }, ["7", "8"]));
  assert.ok(!concerns({ type: "agent.changed", agent: 7 }, ["7"]));
  assert.ok(concerns({ type: "refetch" }, []));
  assert.match(trouble(0), /cannot be reached/);
  assert.match(trouble(500), /500/);
});
