import assert from "node:assert/strict";
import { test } from "node:test";

import { edgeLetters, lettersOf, oppositeLetters } from "../../static/src/viewer/orientation.js";

const axial = { row: [1, 0, 0], column: [0, 1, 0] };
// As the viewport places it for an axial picture: up is anterior, seen from the feet.
const camera = { viewUp: [0, -1, 0], viewPlaneNormal: [0, 0, -1] };
const none = { top: "", bottom: "", left: "", right: "" };

test("an axial picture has the patient's right on the left of the screen", () => {
  assert.deepEqual(edgeLetters(camera, { orientation: axial }), {
    top: "A",
    bottom: "P",
    left: "R",
    right: "L",
  });
});

test("letters follow the camera: a flipped view swaps them", () => {
  const flipped = { viewUp: [0, -1, 0], viewPlaneNormal: [0, 0, 1] };
  const letters = edgeLetters(flipped, { orientation: axial });
  assert.equal(letters.left, "L");
  assert.equal(letters.right, "R");
});

test("letters follow the camera: a turned view turns them", () => {
  const turned = { viewUp: [1, 0, 0], viewPlaneNormal: [0, 0, -1] };
  assert.equal(edgeLetters(turned, { orientation: axial }).top, "L");
});

test("oblique planes get a second letter, the stronger first", () => {
  assert.equal(lettersOf([0, -0.8, 0.6]), "AH");
  assert.equal(lettersOf([0.05, 0, 1]), "H");
  assert.equal(lettersOf([0, 0, 0]), "");
});

test("projections use PatientOrientation", () => {
  assert.deepEqual(edgeLetters(camera, { patientOrientation: ["L", "F"] }), {
    top: "H",
    bottom: "F",
    left: "R",
    right: "L",
  });
  const mammogram = edgeLetters(camera, { patientOrientation: ["P", "FL"] });
  assert.deepEqual(mammogram, {
    top: "HR",
    bottom: "FL",
    left: "A",
    right: "P",
  });
});

test("projections follow the camera as well", () => {
  const flipped = { viewUp: [0, -1, 0], viewPlaneNormal: [0, 0, 1] };
  assert.equal(edgeLetters(flipped, { patientOrientation: ["L", "F"] }).left, "L");
  const turned = { viewUp: [1, 0, 0], viewPlaneNormal: [0, 0, -1] };
  assert.equal(edgeLetters(turned, { patientOrientation: ["L", "F"] }).top, "L");
  const slanted = { viewUp: [0.7071, -0.7071, 0], viewPlaneNormal: [0, 0, -1] };
  assert.deepEqual(edgeLetters(slanted, { patientOrientation: ["L", "F"] }), none);
});

test("what is not known is not guessed", () => {
  assert.deepEqual(edgeLetters(camera, {}), none);
  assert.deepEqual(edgeLetters(camera, { patientOrientation: ["L"] }), none);
  assert.deepEqual(edgeLetters(camera, { patientOrientation: ["L", "X"] }), none);
  assert.deepEqual(edgeLetters(camera, { orientation: axial, quadruped: true }), none);
  assert.deepEqual(edgeLetters(undefined, { orientation: axial }), none);
});

test("opposites", () => {
  assert.equal(oppositeLetters("AR"), "PL");
  assert.equal(oppositeLetters("?"), "");
});
