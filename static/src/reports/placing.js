/** Measurements and key images in words. Pure. */
import { nameOf } from "../viewer/measure/kinds.js";

const DIGITS = { mm: 1, mm2: 1, cm2: 2, deg: 1, "g/ml": 2, s: 3, "cm/s": 1 };
const SIGNS = { mm2: "mm²", cm2: "cm²", px2: "px²", deg: "°" };
const NAMES = { sd: "SD", long_axis: "long", short_axis: "short" };
/** Values whose name goes without saying. */
const PLAIN = ["length", "angle", "value"];

/** `12.3 mm`, `3.21 cm²`, `45 px`, `45.0°`, `-12 HU`. */
export function quantity({ name = "", value, unit = "" }) {
  if (unit === "mm2" && value >= 100) return quantity({ name, value: value / 100, unit: "cm2" });
  const exact = Number.isInteger(value) ? 0 : 1;
  const spread = ["mean", "sd"].includes(name) && unit !== "g/ml" ? 1 : undefined;
  const digits = spread ?? DIGITS[unit] ?? (unit === "px" || unit === "px2" ? 0 : exact);
  const sign = SIGNS[unit] ?? unit;
  return `${value.toFixed(digits)}${sign && sign !== "°" ? " " : ""}${sign}`;
}

function words(each) {
  const said = quantity(each);
  if (each.name === "value" && each.unit === "g/ml") return `SUVbw ${said}`;
  if (!each.name || PLAIN.includes(each.name)) return said;
  return `${NAMES[each.name] ?? each.name} ${said}`;
}

function joined(values) {
  const by = Object.fromEntries(values.map((each) => [each.name, each]));
  if (by.red && by.green && by.blue) {
    return [`RGB ${by.red.value} ${by.green.value} ${by.blue.value}`];
  }
  if (by.long_axis && by.short_axis) {
    const { unit } = by.long_axis;
    return [`${quantity(by.long_axis).replace(` ${unit}`, "")} × ${quantity(by.short_axis)}`];
  }
  return values.map(words);
}

function scaleNote({ values = [], at_detector: atDetector, calibrated_by: by, tool }) {
  if (!values.some(({ unit }) => unit === "mm" || unit === "mm2") || tool === "calibration")
    return "";
  if (by) return `calibrated by ${by}`;
  return atDetector ? "at detector" : "";
}

/** `12.3 mm`, `12.3 mm at detector`, `45 px`, `area 3.21 cm², mean 40.2 HU, SD 3.1 HU, ...`. */
export function valueText(measurement) {
  const said = joined(measurement.values ?? []).join(", ");
  return [said, scaleNote(measurement)].filter(Boolean).join(" ");
}

/** The same on an image, a line each: what it is called, what it measures, how that is known. */
export function valueLines(measurement) {
  const by = Object.fromEntries((measurement.values ?? []).map((each) => [each.name, each]));
  const lines = [];
  if (measurement.label) lines.push(measurement.label);
  if (by.mean && by.sd) {
    const suv = by.mean.unit === "g/ml" ? "SUVbw " : "";
    const bare = (each) => quantity(each).replace(` ${each.unit}`, "");
    lines.push(words(by.area));
    lines.push(`${suv}mean ${bare(by.mean)}, SD ${quantity(by.sd)}`);
    lines.push(`${bare(by.min)} to ${quantity(by.max)}`);
  } else lines.push(...joined(measurement.values ?? []));
  return [...lines, scaleNote(measurement)].filter(Boolean);
}

/** `series 3 image 42`, `series 3 image 1 frame 7`. */
export function placeText({ series_number: series, instance_number: image, frame, frames = 1 }) {
  const parts = [];
  if (series !== null && series !== undefined) parts.push(`series ${series}`);
  if (image !== null && image !== undefined) parts.push(`image ${image}`);
  if (frames > 1) parts.push(`frame ${frame}`);
  return parts.join(" ");
}

/** `Node 1: 12.3 mm`, `12.3 mm`, `Arrow`: what stands for it in lists. */
export function titleText(measurement) {
  const said = [measurement.label, valueText(measurement)].filter(Boolean).join(": ");
  return said || nameOf(measurement.tool);
}

/** `12.3 mm, series 3 image 42`: what is put into the text. */
export function measurementText(measurement) {
  return [titleText(measurement), placeText(measurement)].filter(Boolean).join(", ");
}

/** `key image 2, series 3 image 42`. */
export function keyImageText(keyImage, number) {
  return [`key image ${number}`, placeText(keyImage)].filter(Boolean).join(", ");
}

/** `Dr A · 12:01` today, with the date otherwise. */
export function leftBy({ author, created_at: at }, now = new Date()) {
  const then = new Date(at);
  const time = then.toTimeString().slice(0, 5);
  const today = then.toDateString() === now.toDateString();
  const day = `${then.getFullYear()}-${String(then.getMonth() + 1).padStart(2, "0")}-${String(then.getDate()).padStart(2, "0")}`;
  return `${author.name} · ${today ? time : `${day} ${time}`}`;
}
