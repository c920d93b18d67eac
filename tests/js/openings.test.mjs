import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document ??= { cookie: "", querySelector: () => null };
const { partsOf } = await import("../../static/src/viewer/openings.js");

const answer = (requestStart, responseStart, responseEnd) => ({
  requestStart,
  responseStart,
  responseEnd,
});

test("the parts of a wait add up to no more than it", () => {
  const parts = partsOf(500, [answer(10, 60, 70), answer(200, 240, 250), answer(300, 320, 400)]);
  assert.deepEqual(parts, {
    first_ms: 500,
    server_ms: 110,
    network_ms: 100,
    decode_ms: 100,
  });
});

test("answers from the cache, or not seen, count nothing", () => {
  assert.deepEqual(partsOf(120, [undefined, answer(0, 0, 0)]), {
    first_ms: 120,
    server_ms: 0,
    network_ms: 0,
    decode_ms: 0,
  });
  const odd = partsOf(100, [answer(10, 60, 90), answer(20, 80, 95)]);
  assert.ok(odd.server_ms + odd.network_ms + odd.decode_ms <= odd.first_ms);
});
