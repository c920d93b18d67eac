import assert from "node:assert/strict";
import { test } from "node:test";

import { concerns, trouble } from "../../static/src/print/dialog.js";

const shown = { commands: new Set([3, 4]), agents: new Set([7]) };
const cases = [
  [{ type: "refetch" }, true],
  [{ type: "command.changed", agent: 7, command: 3 }, true],
  [{ type: "command.changed", agent: 7, command: 5 }, false],
  [{ type: "agent.changed", agent: 7 }, true],
  [{ type: "agent.changed", agent: 3 }, false],
  [{ type: "study.changed", study: 3 }, false],
];

for (const [message, wanted] of cases) {
  test(`${JSON.stringify(message)} ${wanted ? "concerns" : "does not concern"} the dialog`, () => {
    assert.equal(concerns(message, shown), wanted);
  });
}

test("what went wrong is said in words", () => {
  assert.match(trouble(0), /cannot be reached/);
  assert.match(trouble(404), /no longer shown/);
  assert.match(trouble(502), /\(502\)/);
});
