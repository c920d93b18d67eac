import { make } from "./dom.js";
import { mouseButtons, wholeMap } from "./mine.js";
import { helpRows } from "./personal.js";

function spaced(parts) {
  return parts.flatMap((part, at) => (at ? [" ", part] : [part]));
}

/** Fills the help's table body with what keys and mouse do. */
export function fillHelp(body) {
  body.replaceChildren(
    ...helpRows(wholeMap(), mouseButtons()).map((row) => {
      const { mouse, does } = row;
      const names = row.names.map((text) => make("kbd", { text }));
      const parts = mouse ? [...names, names.length ? `or ${mouse}` : mouse] : names;
      return make(
        "tr",
        {},
        make("th", { scope: "row" }, ...spaced(parts)),
        make("td", { text: does }),
      );
    }),
  );
}
