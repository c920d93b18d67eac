/** From where a solid is looked at. Pure. Directions are the patient's (PS3.3 C.7.6.2.1.1). */
import { cross, scaled, unit } from "../vectors.js";
import { turned } from "./geometry.js";

/** Where the reader stands, and what is up there: [towards the reader, up]. */
export const stands = {
  A: { name: "From the front", toward: [0, -1, 0], up: [0, 0, 1] },
  P: { name: "From the back", toward: [0, 1, 0], up: [0, 0, 1] },
  L: { name: "From the left", toward: [1, 0, 0], up: [0, 0, 1] },
  R: { name: "From the right", toward: [-1, 0, 0], up: [0, 0, 1] },
  H: { name: "From the head", toward: [0, 0, 1], up: [0, -1, 0] },
  F: { name: "From the feet", toward: [0, 0, -1], up: [0, -1, 0] },
};

/** The direction to the right of the screen. */
export const rightOf = ({ toward, up }) => cross(up, toward);

/** At right angles and of length one, whatever was rounded. */
function upright({ toward, up }) {
  const away = unit(toward);
  return { toward: away, up: unit(cross(away, cross(up, away))) };
}

/**
 * What is seen follows the hand: `right` and `down` are angles in radians.
 *
 * @returns {{toward: number[], up: number[]}}
 */
export function turnedBy(view, right, down) {
  const toward = turned(view.toward, view.up, -right);
  const axis = cross(view.up, toward);
  return upright({ toward: turned(toward, axis, -down), up: turned(view.up, axis, -down) });
}

/** Turned in the plane of the screen, clockwise for the reader. */
export function rolledBy(view, angle) {
  return { toward: view.toward, up: turned(view.up, view.toward, angle) };
}

/** Directions at the edges of the screen. */
export function edgesOf(view) {
  const right = rightOf(view);
  return { top: view.up, bottom: scaled(view.up, -1), right, left: scaled(right, -1) };
}
