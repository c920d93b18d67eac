import assert from "node:assert/strict";
import { test } from "node:test";

import { trouble } from "../../static/src/reading/requests.js";
import { standing } from "../../static/src/worklist/age.js";

const HOUR = 3_600_000;

test("a clock of an hour is soon after three quarters and over at its end", () => {
  assert.equal(standing(0.74 * HOUR, 0, HOUR), "");
  assert.equal(standing(0.75 * HOUR, 0, HOUR), "soon");
  assert.equal(standing(HOUR - 1, 0, HOUR), "soon");
  assert.equal(standing(HOUR, 0, HOUR), "over");
});

test("what is no work has no clock", () => {
  assert.equal(standing(99 * HOUR, 0, 0), "");
});

test("what did not work is said in the server's words, else in plain ones", () => {
  assert.equal(trouble({ status: 409, answer: { detail: "Bo reads it." } }), "Bo reads it.");
  assert.match(trouble({ status: 0, answer: {} }), /could not be reached/);
  assert.match(trouble({ status: 404, answer: { detail: "Not found." } }), /no longer shown/);
  assert.match(trouble({ status: 500, answer: {} }), /error \(500\)/);
});
