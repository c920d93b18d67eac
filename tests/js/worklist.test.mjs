import assert from "node:assert/strict";
import { test } from "node:test";

import { clock, nextAsk } from "../../static/src/app/session.js";
import { waited } from "../../static/src/worklist/age.js";
import { backoff } from "../../static/src/worklist/backoff.js";
import { refusal } from "../../static/src/worklist/complete.js";
import { compareKeys, decide, placeOf, stripOrder } from "../../static/src/worklist/placement.js";
import { SequenceTracker } from "../../static/src/worklist/sequence.js";
import { KeyedThrottle } from "../../static/src/worklist/throttle.js";
import { words } from "../../static/src/worklist/words.js";

/** Timers that run when told to. */
function timers() {
  const waiting = [];
  return {
    later: (run, milliseconds) => waiting.push({ run, milliseconds }),
    fire: () => waiting.splice(0).forEach(({ run }) => run()),
    waiting,
  };
}

function tracker() {
  const clockwork = timers();
  const gaps = [];
  const made = new SequenceTracker({
    onGap: () => gaps.push(1),
    later: clockwork.later,
  });
  made.start({ 1: 10, 2: 5 });
  return { made, gaps, fire: clockwork.fire };
}

test("events in order are no gap", () => {
  const { made, gaps, fire } = tracker();
  assert.equal(made.saw(1, 11), true);
  assert.equal(made.saw(1, 12), true);
  assert.equal(made.saw(2, 6), true);
  fire();
  assert.equal(gaps.length, 0);
});

test("a missing number is a gap once the grace is over", () => {
  const { made, gaps, fire } = tracker();
  made.saw(1, 13);
  assert.equal(gaps.length, 0);
  fire();
  assert.equal(gaps.length, 1);
});

test("numbers that come out of order are no gap", () => {
  const { made, gaps, fire } = tracker();
  made.saw(1, 12);
  assert.equal(made.saw(1, 11), true);
  fire();
  assert.equal(gaps.length, 0);
});

test("an event that was seen says nothing new", () => {
  const { made } = tracker();
  assert.equal(made.saw(1, 10), false);
  made.saw(1, 11);
  assert.equal(made.saw(1, 11), false);
});

test("several gaps ask for the list once", () => {
  const { made, gaps, fire } = tracker();
  made.saw(1, 15);
  made.saw(2, 9);
  fire();
  assert.equal(gaps.length, 1);
});

test("a heartbeat shows what was lost; sites do not mix", () => {
  const { made, gaps, fire } = tracker();
  made.announced({ 1: 10, 2: 5 });
  fire();
  assert.equal(gaps.length, 0);
  made.announced({ 1: 11, 2: 5 });
  fire();
  assert.equal(gaps.length, 1);
});

test("the event that a heartbeat overtook still closes the gap", () => {
  const { made, gaps, fire } = tracker();
  made.announced({ 1: 11 });
  made.saw(1, 11);
  fire();
  assert.equal(gaps.length, 0);
});

test("a site that is new to us starts where it is", () => {
  const { made, gaps, fire } = tracker();
  made.announced({ 3: 400 });
  made.saw(3, 401);
  fire();
  assert.equal(gaps.length, 0);
  assert.equal(made.since(), "1:10,2:5,3:401");
});

test("numbers that began again ask for the list", () => {
  const { made, gaps } = tracker();
  made.start({ 1: 5000 });
  made.announced({ 1: 3 });
  assert.equal(gaps.length, 1);
});

test("a quiet key runs at once, a busy one once more at the end", async () => {
  const clockwork = timers();
  const runs = [];
  const throttle = new KeyedThrottle(async (key) => runs.push(key), {
    later: clockwork.later,
    now: () => 0,
  });
  throttle.request(7);
  assert.deepEqual(runs, [7]);
  throttle.request(7);
  throttle.request(7);
  throttle.request(8);
  await Promise.resolve();
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(runs, [7, 8]);
  assert.equal(clockwork.waiting[0].milliseconds, 300);
  clockwork.fire();
  assert.deepEqual(runs, [7, 8, 7]);
});

test("a key whose work fails is not stuck", async () => {
  const clockwork = timers();
  let runs = 0;
  const throttle = new KeyedThrottle(
    async () => {
      runs += 1;
      throw new Error("no connection");
    },
    { later: clockwork.later },
  );
  throttle.request(1);
  await new Promise((done) => setImmediate(done));
  clockwork.fire();
  throttle.request(1);
  assert.equal(runs, 2);
});

const keys = [
  [0, "2026-11-24T08:00:00.000000+00:00", 5],
  [2, "2026-11-24T07:00:00.000000+00:00", 2],
  [2, "2026-11-24T09:00:00.000000+00:00", 9],
];
const shown = { keys, page: 1, hasNext: false, descending: false };

test("keys compare part by part, empty first, and turned when descending", () => {
  assert.ok(compareKeys([0, "b"], [1, "a"]) < 0);
  assert.ok(compareKeys([1, "a", 2], [1, "a", 3]) < 0);
  assert.ok(compareKeys([null, 1], ["", 1]) < 0);
  assert.ok(compareKeys([0], [1], true) > 0);
  assert.equal(compareKeys([1, "a"], [1, "a"]), 0);
});

test("a row belongs at the top, inside, at the end, or on another page", () => {
  assert.equal(placeOf([0, "2026-11-24T07:00:00.000000+00:00", 1], shown), "top");
  assert.equal(placeOf([1, "2026-11-24T10:00:00.000000+00:00", 30], shown), "inside");
  const newest = [2, "2026-11-24T10:00:00.000000+00:00", 30];
  assert.equal(placeOf(newest, shown), "end");
  assert.equal(placeOf(newest, { ...shown, hasNext: true }), "after");
  assert.equal(placeOf(newest, { ...shown, size: 3 }), "after");
  assert.equal(placeOf([0, "", 0], { ...shown, page: 2 }), "before");
  assert.equal(placeOf(newest, { ...shown, keys: [] }), "top");
});

test("nothing moves under the pointer", () => {
  const free = { pointerInside: false, topInView: true, endInView: true };
  assert.equal(decide("top", free), "insert-top");
  assert.equal(decide("top", { ...free, pointerInside: true }), "strip");
  assert.equal(decide("top", { ...free, topInView: false }), "strip");
  assert.equal(decide("end", { ...free, pointerInside: true }), "insert-end");
  assert.equal(decide("end", { ...free, endInView: false }), "strip");
  for (const place of ["inside", "after", "before"]) assert.equal(decide(place, free), "strip");
});

test("the strip keeps STAT in sight, then the newest", () => {
  const routine = (received) => ({ stat: false, received });
  const strip = [routine(1), { stat: true, received: 2 }, routine(3)].sort(stripOrder);
  assert.deepEqual(
    strip.map(({ received }) => received),
    [2, 3, 1],
  );
});

test("pauses between attempts grow to ten seconds and are spread", () => {
  assert.equal(
    backoff(1, () => 0),
    500,
  );
  assert.equal(
    backoff(1, () => 1),
    1000,
  );
  assert.equal(
    backoff(50, () => 1),
    10_000,
  );
});

test("waiting times as the server writes them", () => {
  assert.equal(waited(-5), "00:00");
  assert.equal(waited(12 * 60_000), "00:12");
  assert.equal(waited(47.99 * 3_600_000), "47:59");
  assert.equal(waited(48 * 3_600_000), "2 d");
});

test("the session is asked often enough to warn in time", () => {
  assert.equal(nextAsk(900), 60);
  assert.equal(nextAsk(150), 31);
  assert.equal(nextAsk(100), 10);
  assert.equal(nextAsk(0), 1);
  assert.equal(clock(65), "1:05");
});

test("a failure says what happened", () => {
  assert.match(words(0), /could not be reached/);
  assert.match(words(500), /error \(500\)/);
  assert.match(words(403), /Reload the page/);
});

test("what is said when a study could not be called complete", () => {
  assert.match(refusal(0), /could not be reached/);
  assert.equal(refusal(403, "Only technicians."), "Only technicians.");
  assert.match(refusal(403), /error \(403\)/);
  assert.match(refusal(404, "Not found."), /no longer shown/);
});
