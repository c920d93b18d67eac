/** What a measurement measures. Pure. */
import { Tag, text } from "../tags.js";
import { displayedPadding } from "../voi.js";
import { angleAt, angleOfLines, areaOf, boxArea, distance } from "./geometry.js";
import { kinds } from "./kinds.js";
import { along } from "./regions.js";
import { scaleOf } from "./scale.js";
import { samplesAt, statisticsOf } from "./statistics.js";
import { suvFactor } from "./suv.js";

const rounded = (value) => Math.round(value * 1e4) / 1e4;
const one = (name, value, unit) => ({ name, value: rounded(value), unit });

/**
 * What the pixels of a frame are in.
 *
 * @returns {{unit: string, factor: number, why?: string}}
 */
export function pixelUnit(frame) {
  const { modality, rescaleType, modalityTable, dataset } = frame;
  if (modality === "PT") {
    const { factor, why } = suvFactor(dataset);
    if (!why) return { unit: "g/ml", factor };
    return { unit: text(dataset, Tag.Units) === "BQML" ? "Bq/ml" : "", factor: 1, why };
  }
  const isHounsfield =
    modality === "CT" && !modalityTable && ["", "HU"].includes(rescaleType ?? "");
  return { unit: isHounsfield ? "HU" : "", factor: 1 };
}

const squared = { mm: "mm2", px: "px2" };

/**
 * @param {string} tool
 * @param {number[][]} points
 * @param {object} world
 * @param {object} world.frame as stored, with `dataset`, `spacing`, `modality`
 * @param {() => object | undefined} world.pixels displayed values; undefined where there are none
 * @param {object} [world.calibration] what the reader said of this image
 * @returns {{values: object[], atDetector?: boolean, calibration?: string, note?: string} | {refused: string}}
 */
export function valuesOf(tool, points, { frame, pixels, calibration }) {
  if (tool === "arrow" || tool === "text" || tool === "calibration") return { values: [] };
  if (tool === "probe") return probed(points[0], frame, pixels());
  const scale = scaleOf(frame, points, calibration);
  if (scale.refused) return scale;
  if (scale.x) return inOtherUnits(tool, points, scale);
  const from = { atDetector: scale.atDetector === true, calibration: scale.calibration };
  if (kinds[tool].isRegion)
    return { ...regionValues(tool, points, scale, frame, pixels()), ...from };
  const { unit } = scale;
  switch (tool) {
    case "bidirectional": {
      const both = [0, 2].map((at) => distance(points[at], points[at + 1], scale));
      const values = [
        one("long_axis", Math.max(...both), unit),
        one("short_axis", Math.min(...both), unit),
      ];
      return { values, ...from };
    }
    case "angle":
      return { values: [one("angle", angleAt(points, scale), "deg")] };
    case "cobb":
      return { values: [one("angle", angleOfLines(points, scale), "deg")] };
    default:
      return { values: [one("length", distance(...points, scale), unit)], ...from };
  }
}

/** Doppler spectra and M-mode: the two directions apart, and nothing that mixes them. */
function inOtherUnits(tool, [from, to], { x, y }) {
  if (tool !== "length") {
    return {
      refused: `This region of the picture is measured in ${x.unit} and ${y.unit}: only lengths can be told.`,
    };
  }
  return {
    values: [
      one(along[x.unit], Math.abs(to[0] - from[0]) * x.delta, x.unit),
      one(along[y.unit], Math.abs(to[1] - from[1]) * y.delta, y.unit),
    ].filter(({ name }, at, all) => all.findIndex((other) => other.name === name) === at),
  };
}

function probed(point, frame, pixels) {
  if (!pixels) return { refused: "The pixel values of this image are not at hand." };
  const samples = samplesAt(point, pixels);
  if (!samples) return { refused: "This is outside of the image." };
  if (samples.length > 1) {
    return { values: ["red", "green", "blue"].map((name, at) => one(name, samples[at], "")) };
  }
  const { unit, factor, why } = pixelUnit(frame);
  return { values: [one("value", samples[0] * factor, unit)], note: why };
}

function regionValues(tool, points, scale, frame, pixels) {
  const area =
    tool === "freehand" ? areaOf(points, scale) : boxArea(points, scale, tool === "ellipse");
  const values = [one("area", area, squared[scale.unit])];
  if (!pixels || pixels.samplesPerPixel > 1) return { values };
  const padding = frame.modalityTable ? undefined : displayedPadding(frame);
  const found = statisticsOf(tool, points, pixels, padding);
  if (!found) return { values };
  const { unit, factor, why } = pixelUnit(frame);
  for (const name of ["mean", "sd", "min", "max"]) {
    values.push(one(name, found[name] * factor, unit));
  }
  return { values, note: why };
}
