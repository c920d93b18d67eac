/** How far things are apart on a picture, and in what unit: right or refused. Pure. */
import { isAtDetector } from "../length.js";
import { Tag, numbers, text } from "../tags.js";
import { distance } from "./geometry.js";
import { regionAt, regionsOf } from "./regions.js";

const pixels = ({ spacing }) =>
  spacing.source === "ratio"
    ? { row: spacing.row, column: spacing.column, unit: "px" }
    : { row: 1, column: 1, unit: "px" };

/** Whether a length that the reader knows may stand for the file's spacing. */
export function mayCalibrate(frame) {
  if (regionsOf(frame.dataset).length) return false;
  return frame.spacing.source !== "patient" || atDetector(frame);
}

function atDetector(frame) {
  const imager = numbers(frame.dataset, Tag.ImagerPixelSpacing, 2);
  return isAtDetector(frame, imager, text(frame.dataset, Tag.PixelSpacingCalibrationType));
}

/** Rows and columns without a unit: what is as wide as high. */
function shapeOf(frame) {
  const { source, row, column } = frame.spacing;
  return source === "none" ? { row: 1, column: 1 } : { row, column };
}

/**
 * The scale at some points of a frame.
 *
 * @param {object} frame as stored: `spacing`, `modality`, `dataset`
 * @param {number[][]} points
 * @param {{id: string, points: number[][], values: {value: number}[]}} [calibration] the reader's
 * @returns {{row, column, unit: "mm" | "px", atDetector?: boolean, calibration?: string} | {x, y} | {refused: string}}
 *   `x` and `y`, each `{unit, delta}`, where the two directions measure different things
 */
export function scaleOf(frame, points, calibration) {
  const regions = regionsOf(frame.dataset);
  if (regions.length) return inRegion(regions, points, frame);
  if (calibration && mayCalibrate(frame)) {
    const shape = shapeOf(frame);
    const drawn = distance(...calibration.points, shape);
    const times = calibration.values[0].value / drawn;
    if (drawn > 0 && times > 0) {
      return {
        row: shape.row * times,
        column: shape.column * times,
        unit: "mm",
        calibration: calibration.id,
      };
    }
  }
  const { source, row, column } = frame.spacing;
  if (source !== "patient" && source !== "detector") return pixels(frame);
  return { row, column, unit: "mm", atDetector: atDetector(frame) };
}

function inRegion(regions, points, frame) {
  const region = regionAt(regions, points);
  if (region === "crossing") {
    return { refused: "This crosses regions of the picture that are measured differently." };
  }
  if (region === "outside" || region === "several") return pixels(frame);
  const { x, y } = region;
  if (!x || !y) return pixels(frame);
  if (x.unit === "mm" && y.unit === "mm") return { row: y.delta, column: x.delta, unit: "mm" };
  return { x, y };
}
