/** What is on the screen as a presentation state. */
import { ask, wordsOf } from "../../reports/api.js";
import { rescaled } from "../length.js";
import { rangeWindow } from "../voi.js";

/**
 * The part of the stored frame that is seen: left, top, right, bottom in pixels from the corner of the first.
 *
 * @param {number[][]} seen opposite corners of the viewport in pixels, the middle of the first being [0, 0]
 */
export function seenArea(seen, { rows, columns }) {
  const ends = (axis, count) => {
    const [low, high] = seen.map((corner) => corner[axis] + 0.5).sort((a, b) => a - b);
    return [Math.max(0, low), Math.min(count, high)];
  };
  const [left, right] = ends(0, columns);
  const [top, bottom] = ends(1, rows);
  if (right - left < 1 || bottom - top < 1) return [0, 0, columns, rows];
  return [left, top, right, bottom];
}

/** What the server needs to know of the picture of a cell. */
export function viewOf({ uid, stack, shown, element }) {
  const { frame, range, shape, color } = shown;
  const stored = frame.stored ?? frame;
  const corners = [
    [0, 0],
    [element.clientWidth, element.clientHeight],
  ].map((corner) => rescaled(stack.toPixel(corner), frame, stored));
  const { rotation, isFlipped } = stack.turning.rotation();
  // The image's own table goes as it is; another one, or one that was stretched, as the window that it fills.
  const isOwnTable = shape === "TABLE" && !shown.byReader && !shown.state?.curve;
  const window = color || isOwnTable ? null : rangeWindow(range, shape);
  return {
    series_instance_uid: uid,
    sop_instance_uid: frame.sopInstanceUID,
    frame: frame.frame,
    window: window && { ...window, function: shape === "TABLE" ? "LINEAR" : shape },
    is_inverse: !color && stack.look().isInverted,
    rotation,
    is_flipped: isFlipped,
    area: seenArea(corners, stored),
  };
}

/** @returns {Promise<{saved?: object, words: string}>} */
export async function saveState(cell, { name, wholeSeries }) {
  const body = { ...viewOf(cell), name, whole_series: wholeSeries };
  const url = `/api/studies/${cell.study.id}/presentation-states/`;
  const { kind, data } = await ask("POST", url, body);
  if (kind === "ok") return { saved: data, words: "Saved in the study as a presentation state." };
  if (kind === "offline") return { words: "Not saved: the portal cannot be reached." };
  return { words: wordsOf(data, "It could not be saved.") };
}
