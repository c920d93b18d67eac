/** Parts of a page are brought up to date in place: what stays the same element keeps focus and presses. */
import { Idiomorph } from "idiomorph";
import htmx from "./htmx.js";

const KEEP = {
  ignoreActiveValue: true,
  // A button that waits for its answer goes on showing it.
  callbacks: { beforeAttributeUpdated: (name) => name !== "aria-busy" },
};

/** Makes the inside of `target` what `html` says. */
export function morphInside(target, html) {
  Idiomorph.morph(target, html, { ...KEEP, morphStyle: "innerHTML" });
  htmx.process(target);
}

/** Makes `target` what `fresh`, one element, says. Focus that was on what is gone stays in it. */
function morphWhole(target, fresh) {
  const { id } = target;
  const focused = target.contains(document.activeElement);
  const nodes = Idiomorph.morph(target, fresh, { ...KEEP, morphStyle: "outerHTML" });
  if (focused && document.activeElement === document.body) {
    document.getElementById(id)?.querySelector("button, a")?.focus({ preventScroll: true });
  }
  return nodes;
}

/** Makes the element with `id` what `html` says. */
export function morph(id, html) {
  morphWhole(document.getElementById(id), html);
  htmx.process(document.getElementById(id));
}

// `hx-swap="morph"`, within `hx-ext="morph"`.
htmx.defineExtension("morph", {
  isInlineSwap: (style) => style === "morph",
  handleSwap: (style, target, fragment) =>
    style === "morph" && morphWhole(target, fragment.children),
});
