import { make } from "./dom.js";
import { shortcuts } from "./keys.js";

function spaced(parts) {
  return parts.flatMap((part, at) => (at ? [" ", part] : [part]));
}

/** Fills the help's table body with what keys and mouse do. */
export function fillHelp(body) {
  body.replaceChildren(
    ...shortcuts.map(({ keys, mouse, does }) => {
      const names = Object.keys(keys).map((text) => make("kbd", { text }));
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
