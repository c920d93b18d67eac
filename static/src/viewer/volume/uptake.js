/** What the values of a series that is laid over stand for: SUV where the file tells them. Pure. */
import { suvFactor } from "../measure/suv.js";
import { Tag, text } from "../tags.js";
import { measure } from "../wording.js";

const SAME = 1e-4;

/**
 * @param {object[]} frames of the series
 * @returns {{factor: number, unit: string, why: string, range: {lower: number, upper: number}, text: (value:
 *   number) => string}} a value times `factor` is in `unit`; `range` to begin with is in `unit`
 */
export function uptakeOf(frames) {
  const found = frames.map(({ dataset }) => suvFactor(dataset));
  const [first] = found;
  const why =
    found.find((each) => each.why)?.why ??
    (found.some(({ factor }) => Math.abs(factor / first.factor - 1) > SAME)
      ? "no SUV: its images say different doses or times"
      : "");
  if (!why) {
    return {
      factor: first.factor,
      unit: "SUV",
      why,
      range: { lower: 0, upper: 6 },
      text: (value) => `SUVbw ${measure(value * first.factor, 2)} g/ml`,
    };
  }
  const units = text(frames[0].dataset, Tag.Units);
  const unit = { BQML: "Bq/ml", CNTS: "counts" }[units] ?? units;
  const window = frames.map((frame) => frame.window).find(Boolean);
  const upper = window ? window.center + window.width / 2 : 10_000;
  return {
    factor: 1,
    unit,
    why,
    range: { lower: 0, upper: Math.max(1, upper) },
    text: (value) => `${measure(value, 2)} ${unit}`,
  };
}
