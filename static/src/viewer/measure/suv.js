/** Standardised uptake values by body weight from a PET header (PS3.3 C.8.9; QIBA vendor-neutral recipe). Pure. */
import { Tag, items, number, text, values } from "../tags.js";

/** Milliseconds of a DA and TM, or of a DT; undefined where it is none. */
export function moment(day, clock = "") {
  const both = /^(\d{4})(\d{2})(\d{2})(\d{2})?(\d{2})?(\d{2})?(?:\.(\d{1,6}))?/.exec(day + clock);
  if (!both || both[4] === undefined) return undefined;
  const [year, month, date, hour, minute = 0, second = 0] = both.slice(1, 7).map((one) => one ?? 0);
  const fraction = both[7] ? Number(`0.${both[7]}`) : 0;
  return Date.UTC(year, month - 1, date, hour, minute, second) + fraction * 1000;
}

/** When the dose was counted, seconds before the scan began. */
function waited(dataset, item) {
  const seriesStart = moment(text(dataset, Tag.SeriesDate), text(dataset, Tag.SeriesTime));
  const acquired = moment(text(dataset, Tag.AcquisitionDate), text(dataset, Tag.AcquisitionTime));
  if (seriesStart === undefined || acquired === undefined) return { why: "the times of the scan" };
  // A series that was made again later has a later time: then nothing says when the scan began.
  if (seriesStart > acquired) return { why: "the time that the decay is corrected to" };
  const full = text(item, Tag.RadiopharmaceuticalStartDateTime);
  let injected = full ? moment(full) : undefined;
  if (injected === undefined) {
    injected = moment(text(dataset, Tag.SeriesDate), text(item, Tag.RadiopharmaceuticalStartTime));
    if (injected !== undefined && injected > seriesStart) injected -= 86_400_000;
  }
  if (injected === undefined) return { why: "the time of the injection" };
  const seconds = (seriesStart - injected) / 1000;
  return seconds >= 0 ? { seconds } : { why: "an injection before the scan" };
}

/**
 * What a pixel value in Bq/ml is multiplied with for SUVbw in g/ml.
 *
 * @returns {{factor: number} | {why: string}} why it can't be told, in words
 */
export function suvFactor(dataset) {
  const missing = (what) => ({ why: `no SUV: the file lacks ${what}` });
  const units = text(dataset, Tag.Units);
  if (units === "GML") return { factor: 1 };
  if (units !== "BQML") return { why: `no SUV: pixels are in ${units || "no unit"}, not in Bq/ml` };
  const corrected = values(dataset, Tag.CorrectedImage).map(String);
  if (!corrected.includes("ATTN") || !corrected.includes("DECY")) {
    return { why: "no SUV: the picture is not corrected for attenuation and decay" };
  }
  const weight = number(dataset, Tag.PatientWeight);
  if (!(weight > 0)) return missing("the weight");
  const item = items(dataset, Tag.RadiopharmaceuticalInformationSequence)[0];
  const dose = number(item, Tag.RadionuclideTotalDose);
  if (!(dose > 0)) return missing("the dose");
  const halfLife = number(item, Tag.RadionuclideHalfLife);
  if (!(halfLife > 0)) return missing("the half-life");
  const decay = text(dataset, Tag.DecayCorrection);
  if (decay === "ADMIN") return { factor: (weight * 1000) / dose };
  if (decay !== "START") return { why: "no SUV: the decay is corrected to an unknown time" };
  const { seconds, why } = waited(dataset, item);
  if (why) return missing(why);
  return { factor: (weight * 1000) / (dose * 2 ** (-seconds / halfLife)) };
}
