/**
 * Two fingers on a picture: apart or together zooms, up or down scrolls. One finger is the left mouse button.
 */

const scrollStep = 24; // CSS pixels an image
const decided = 12;

/**
 * What two fingers have done since they came down, in words. Pure.
 *
 * @param {number[][]} from two places
 * @param {number[][]} to the same fingers now
 * @returns {{kind: "zoom", factor: number} | {kind: "scroll", by: number} | undefined} undefined while it is
 *   not clear; `by` in images, down is ahead
 */
export function gestureOf(from, to) {
  const apart = ([[x1, y1], [x2, y2]]) => Math.hypot(x2 - x1, y2 - y1);
  const [before, now] = [apart(from), apart(to)];
  const down = (to[0][1] + to[1][1] - from[0][1] - from[1][1]) / 2;
  if (Math.max(Math.abs(now - before), Math.abs(down)) < decided) return undefined;
  if (Math.abs(now - before) >= Math.abs(down)) {
    return { kind: "zoom", factor: before > 0 ? now / before : 1 };
  }
  return { kind: "scroll", by: Math.trunc(down / scrollStep) };
}

/**
 * @param {HTMLElement} element
 * @param {object} on
 * @param {() => {zoom: (factor: number) => void, index: number} | undefined} on.begin what is on the screen
 *   as the fingers come down; `zoom` takes the factor since then
 * @param {(index: number) => void} on.scrollTo
 */
export function watchTouch(element, { begin, scrollTo }) {
  const fingers = new Map();
  let from;
  let start;
  let kind;

  const places = () => [...fingers.values()].slice(0, 2);

  function down(event) {
    if (event.pointerType !== "touch") return;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (fingers.size === 2) {
      from = places();
      start = begin();
      kind = undefined;
    }
  }

  function move(event) {
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (fingers.size !== 2 || !start) return;
    const gesture = gestureOf(from, places());
    // What it began as it stays until the fingers are lifted.
    kind ??= gesture?.kind;
    if (!gesture || gesture.kind !== kind) return;
    if (kind === "zoom") start.zoom(gesture.factor);
    else scrollTo(start.index + gesture.by);
  }

  function up(event) {
    fingers.delete(event.pointerId);
    if (fingers.size < 2) start = undefined;
  }

  element.addEventListener("pointerdown", down, { capture: true });
  element.addEventListener("pointermove", move, { capture: true });
  element.addEventListener("pointerup", up, { capture: true });
  element.addEventListener("pointercancel", up, { capture: true });
}
