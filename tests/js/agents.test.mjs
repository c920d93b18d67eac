import assert from "node:assert/strict";
import { test } from "node:test";

import { concerns } from "../../static/src/agents/live.js";

const pages = {
  list: { kind: "list", agent: undefined, command: undefined },
  agent: { kind: "agent", agent: 7, command: undefined },
  command: { kind: "command", agent: 7, command: 3 },
};
const cases = [
  [{ type: "refetch" }, ["list", "agent", "command"]],
  [{ type: "agent.changed", agent: 7 }, ["list", "agent", "command"]],
  [{ type: "agent.changed", agent: 8 }, ["list"]],
  [{ type: "command.changed", agent: 7, command: 3 }, ["agent", "command"]],
  [{ type: "command.changed", agent: 7, command: 4 }, ["agent"]],
  [{ type: "command.changed", agent: 8, command: 5 }, []],
  [{ type: "study.changed", study: 7 }, []],
  [{ type: "hello" }, []],
];

for (const [message, wanted] of cases) {
  test(`${JSON.stringify(message)} concerns ${wanted.join(", ") || "none"}`, () => {
    const found = Object.keys(pages).filter((name) => concerns(message, pages[name]));
    assert.deepEqual(found, wanted);
  });
}
