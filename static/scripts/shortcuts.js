import { readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { URL, fileURLToPath } from "node:url";

import { shortcuts } from "../src/viewer/keys.js";

const page = fileURLToPath(new URL("../../docs/viewer.md", import.meta.url));
const between = /(<!-- shortcuts -->\n)[^]*?(<!-- \/shortcuts -->)/;

/** The viewer's keys and mouse as a Markdown table. */
export function shortcutTable() {
  const rows = shortcuts.map(({ keys, mouse, does }) => {
    const how = [...Object.keys(keys).map((name) => `\`${name}\``), ...(mouse ? [mouse] : [])];
    return `| ${how.join(", ")} | ${does} |`;
  });
  return ["| Keys and mouse | What it does |", "|---|---|", ...rows, ""].join("\n");
}

/** docs/viewer.md as it stands, and as the table would have it. */
export function documented() {
  const found = readFileSync(page, "utf8");
  if (!between.test(found)) throw new Error("docs/viewer.md has no place for the shortcuts");
  return {
    found,
    wanted: found.replace(between, (_, open, close) => open + shortcutTable() + close),
  };
}

if (argv[1] === fileURLToPath(import.meta.url)) writeFileSync(page, documented().wanted);
