/** Measurements and key images in words. Pure. */

/** `12.3 mm`, `12.3 mm at detector`, `45 px`. */
export function valueText({ values = [], at_detector: atDetector = false }) {
  return values
    .map(({ value, unit }) => {
      const digits = unit === "mm" || unit === "mm2" ? 1 : 0;
      const shown = unit === "mm2" ? "mm²" : unit;
      return `${value.toFixed(digits)} ${shown}${atDetector && unit === "mm" ? " at detector" : ""}`;
    })
    .join(", ");
}

/** `series 3 image 42`, `series 3 image 1 frame 7`. */
export function placeText({ series_number: series, instance_number: image, frame, frames = 1 }) {
  const parts = [];
  if (series !== null && series !== undefined) parts.push(`series ${series}`);
  if (image !== null && image !== undefined) parts.push(`image ${image}`);
  if (frames > 1) parts.push(`frame ${frame}`);
  return parts.join(" ");
}

/** `12.3 mm, series 3 image 42`: what is put into the text. */
export function measurementText(measurement) {
  const label = measurement.label ? `${measurement.label}: ` : "";
  return [`${label}${valueText(measurement)}`, placeText(measurement)].filter(Boolean).join(", ");
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
