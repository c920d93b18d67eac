/**
 * Pictures of several viewports that follow one another: which image of a stack belongs to the place that
 * another one shows. Pure.
 *
 * Series of one frame of reference share the patient's space. Those of another - a prior, or a patient who
 * was moved - are joined by anchors: the places that were on the screen when the reader linked them.
 */
import { centreOf, heightOver, isParallel, nearestPlane, stepOf } from "./geometry.js";

const moved = (place, from, to) => place.map((value, axis) => value - from[axis] + to[axis]);

/**
 * Anchors of what is on the screen.
 *
 * @param {(object | undefined)[]} planes shown now
 * @returns {Map<string, number[]>} place by FrameOfReferenceUID
 */
export function anchorsOf(planes) {
  const anchors = new Map();
  for (const plane of planes) {
    if (plane?.reference && !anchors.has(plane.reference)) {
      anchors.set(plane.reference, centreOf(plane));
    }
  }
  return anchors;
}

/**
 * Why two planes cannot be linked, in words; "" when they can.
 *
 * @param {object | undefined} source
 * @param {object | undefined} target
 * @param {Map<string, number[]>} anchors
 */
export function whyNotLinked(source, target, anchors) {
  if (!source || !target) return "not placed in the patient";
  if (!source.reference || !target.reference) return "no frame of reference";
  if (!isParallel(source, target)) return "another plane";
  if (source.reference === target.reference) return "";
  return anchors.has(source.reference) && anchors.has(target.reference)
    ? ""
    : "another frame of reference";
}

/**
 * The image of a stack that belongs to what `source` shows.
 *
 * @param {object} source plane on the screen
 * @param {(object | undefined)[]} planes of the stack, in its order
 * @param {Map<string, number[]>} anchors
 * @returns {{index: number, distance: number, beyond: boolean} | {why: string}} `beyond` when the place lies
 *   further from the nearest image than images lie from one another
 */
export function linkedImage(source, planes, anchors) {
  const [first] = planes;
  const why = whyNotLinked(source, first, anchors);
  if (why) return { why };
  if (planes.some((plane) => !plane || !isParallel(plane, first))) {
    return { why: "planes of several directions" };
  }
  let place = centreOf(source);
  if (source.reference !== first.reference) {
    place = moved(place, anchors.get(source.reference), anchors.get(first.reference));
  }
  const { index, distance } = nearestPlane(planes, place);
  return { index, distance, beyond: distance > Math.max(stepOf(planes), 0.5) };
}

/**
 * How far apart two frames of reference were when they were linked, in mm along the plane's normal.
 */
export function offsetOf(source, target, anchors) {
  if (source.reference === target.reference) return 0;
  const place = anchors.get(source.reference);
  return heightOver({ ...source, origin: place }, anchors.get(target.reference));
}
