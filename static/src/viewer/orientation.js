/** Letters at the edges of a picture. DICOM's patient axes: +x left, +y posterior, +z head (PS3.3 C.7.6.2.1.1). */

import { cross } from "./vectors.js";

const negative = (a) => [-a[0], -a[1], -a[2]];

const opposites = { L: "R", R: "L", A: "P", P: "A", H: "F", F: "H" };
const axisLetters = [
  ["L", "R"],
  ["P", "A"],
  ["H", "F"],
];
const secondary = 0.25;

/** Letters for a direction in patient space, strongest first ("L", "AL"); at most two. */
export function lettersOf(direction) {
  const length = Math.hypot(...direction);
  if (!(length > 0)) return "";
  return direction
    .map((value, axis) => ({
      size: Math.abs(value) / length,
      letter: axisLetters[axis][value > 0 ? 0 : 1],
    }))
    .sort((a, b) => b.size - a.size)
    .filter(({ size }, rank) => rank === 0 || size > secondary)
    .slice(0, 2)
    .map(({ letter }) => letter)
    .join("");
}

/** The opposite of PatientOrientation letters ("AR" gives "PL"); "" if any is not one of A P L R H F. */
export function oppositeLetters(letters) {
  const result = [...letters].map((letter) => opposites[letter]);
  return result.every(Boolean) ? result.join("") : "";
}

/** Directions on the screen as seen by the camera, in the space of the picture. */
export function screenDirections({ viewUp, viewPlaneNormal }) {
  const right = cross(viewUp, viewPlaneNormal);
  return { top: viewUp, bottom: negative(viewUp), right, left: negative(right) };
}

const none = Object.freeze({ top: "", bottom: "", left: "", right: "" });

/**
 * Letters for the four edges, taken from where the camera is, never from where it is assumed to be.
 *
 * @param {object} camera with viewUp and viewPlaneNormal
 * @param {object} plane
 * @param {{row: number[], column: number[]}} [plane.orientation] the file's ImageOrientationPatient
 * @param {string[]} [plane.patientOrientation] the file's PatientOrientation: letters of the row direction
 *   and of the column direction, for projections that have no position in space
 * @param {boolean} [plane.quadruped] animals have other letters: none are shown
 * @returns {{top: string, bottom: string, left: string, right: string}} "" where it is not known
 */
export function edgeLetters(camera, { orientation, patientOrientation = [], quadruped = false }) {
  if (!camera?.viewUp || !camera?.viewPlaneNormal || quadruped) return none;
  const directions = Object.entries(screenDirections(camera));
  if (orientation) {
    return Object.fromEntries(directions.map(([edge, way]) => [edge, lettersOf(way)]));
  }
  const [row, column] = patientOrientation.map((letters) => String(letters).trim().toUpperCase());
  if (!row || !column || !oppositeLetters(row) || !oppositeLetters(column)) return none;
  // Without a position in space the picture lies with its rows along x and its columns along y.
  const letters = (way) => {
    if (way[0] > 0.99) return row;
    if (way[0] < -0.99) return oppositeLetters(row);
    if (way[1] > 0.99) return column;
    if (way[1] < -0.99) return oppositeLetters(column);
    return "";
  };
  return Object.fromEntries(directions.map(([edge, way]) => [edge, letters(way)]));
}
