/**
 * Lengths on a picture. Pure. Points are [column, row] in pixels of the frame as it is stored, the
 * centre of the first pixel being [0, 0].
 */

/** Modalities whose pictures are projections: their spacing is the detector's unless calibrated. */
const projections = new Set(["CR", "DX", "DR", "RG", "RF", "XA", "MG", "IO", "PX"]);

/**
 * Whether the spacing is measured where the picture was taken up, not in the patient: ImagerPixelSpacing
 * alone, or a projection whose PixelSpacing says the same without a calibration (PS3.3 10.7.1.3).
 *
 * @param {{spacing: {source: string, row: number, column: number}, modality: string}} frame
 * @param {number[] | undefined} imager ImagerPixelSpacing
 * @param {string} calibration PixelSpacingCalibrationType
 */
export function isAtDetector({ spacing, modality }, imager, calibration = "") {
  if (spacing.source === "detector") return true;
  if (spacing.source !== "patient" || !projections.has(modality) || calibration) return false;
  if (!imager) return false;
  const near = (a, b) => Math.abs(a - b) < 1e-6 * Math.max(a, b);
  return near(imager[0], spacing.row) && near(imager[1], spacing.column);
}

/** A point on a picture of another size: what the server drew against what is stored. */
export function rescaled([column, row], from, to) {
  const scale = (value, was, is) => ((value + 0.5) * is) / was - 0.5;
  return [scale(column, from.columns, to.columns), scale(row, from.rows, to.rows)];
}

/** The distance of a point from the line between two others, all in the same units. */
export function distanceTo([x, y], [x1, y1], [x2, y2]) {
  const [dx, dy] = [x2 - x1, y2 - y1];
  const length2 = dx * dx + dy * dy;
  const along = length2 ? ((x - x1) * dx + (y - y1) * dy) / length2 : 0;
  const t = Math.min(1, Math.max(0, along));
  return Math.hypot(x - (x1 + t * dx), y - (y1 + t * dy));
}
