/** Windows to choose from: of the file, of the modality, of what the picture holds. Pure. */
import { suvFactor } from "./measure/suv.js";
import { Tag, numbers, values } from "./tags.js";

/** Name, width, centre, in HU. */
const ct = [
  ["Brain", 80, 40],
  ["Subdural", 200, 75],
  ["Stroke", 40, 40],
  ["Bone", 2000, 500],
  ["Lung", 1500, -600],
  ["Mediastinum", 350, 50],
  ["Abdomen", 400, 40],
  ["Liver", 150, 60],
  ["Spine", 250, 50],
].map(([name, width, center]) => ({ name, window: { width, center, shape: "LINEAR" } }));

const upTo = [5, 10, 15];

/** Each window that the file names, in its order. */
export function windowsOfFile({ dataset }) {
  const centers = numbers(dataset, Tag.WindowCenter) ?? [];
  const widths = numbers(dataset, Tag.WindowWidth) ?? [];
  const names = values(dataset, Tag.WindowCenterWidthExplanation);
  return centers.slice(0, widths.length).flatMap((center, at) => {
    const width = widths[at];
    if (!(width > 0)) return [];
    const name = String(names[at] ?? "").trim() || (at ? `Window ${at + 1}` : "As the file says");
    return [{ name, window: { center, width } }];
  });
}

/** Windows of the modality: of CT in HU, of PET in SUV where the file tells them. */
export function windowsOfModality({ modality, dataset, rescaleType = "" }) {
  if (modality === "CT" && ["", "HU"].includes(rescaleType)) return ct;
  if (modality !== "PT") return [];
  const { factor } = suvFactor(dataset);
  if (!factor) return [];
  return upTo.map((suv) => ({
    name: `SUV 0 to ${suv}`,
    window: { width: suv / factor, center: suv / factor / 2, shape: "LINEAR_EXACT" },
  }));
}

/** The range that all but the darkest and the brightest hundredth of the pixels are in. */
export function middleRange(pixels, padding) {
  const step = Math.max(1, Math.floor(pixels.length / 200_000));
  const some = [];
  for (let at = 0; at < pixels.length; at += step) {
    const value = pixels[at];
    if (padding && value >= padding.from && value <= padding.to) continue;
    some.push(value);
  }
  if (!some.length) return { lower: 0, upper: 1 };
  some.sort((a, b) => a - b);
  const lower = some[Math.floor(some.length * 0.01)];
  const upper = some[Math.min(some.length - 1, Math.ceil(some.length * 0.99))];
  return lower < upper ? { lower, upper } : { lower, upper: lower + 1 };
}
