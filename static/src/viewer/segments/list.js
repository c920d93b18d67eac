/** Segmentations: which regions they mark, in which colour, in which pictures (PS3.3 A.51, C.8.20). Pure. */
import { framesOf } from "../frames.js";
import { heightOver, pixelOf, placeOf, planeOf } from "../geometry.js";
import { rescaled } from "../length.js";
import { Tag, items, number, numbers, text } from "../tags.js";
import { dot } from "../vectors.js";

const storage = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.66\.(4|7)$/;
const labelMap = "1.2.840.10008.5.1.4.1.1.66.7";
/** Okabe and Ito: colours that people tell apart whatever their colour vision. */
const safe = [
  [230, 159, 0],
  [86, 180, 233],
  [0, 158, 115],
  [240, 228, 66],
  [204, 121, 167],
  [213, 94, 0],
  [0, 114, 178],
];
const parallel = 0.999;

export const isSegmentation = (sopClassUID) => storage.test(sopClassUID ?? "");

/** sRGB of a CIELab value as DICOM encodes it (PS3.3 C.10.7.1.1), D50 adapted to D65. */
export function rgbOfLab([encodedL, encodedA, encodedB]) {
  const y = ((encodedL * 100) / 65535 + 16) / 116;
  const [a, b] = [encodedA, encodedB].map((value) => value / 257 - 128);
  const [X, Y, Z] = [y + a / 500, y, y - b / 200].map(
    (f, at) => [0.9642, 1, 0.8249][at] * (f > 6 / 29 ? f ** 3 : 3 * (6 / 29) ** 2 * (f - 4 / 29)),
  );
  return [
    3.1338561 * X - 1.6168667 * Y - 0.4906146 * Z,
    -0.9787684 * X + 1.9161415 * Y + 0.033454 * Z,
    0.0719453 * X - 0.2289914 * Y + 1.4052427 * Z,
  ].map((value) => {
    const linear = Math.min(1, Math.max(0, value));
    return Math.round(
      255 * (linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055),
    );
  });
}

function segmentOf(item, at) {
  const lab = numbers(item, Tag.RecommendedDisplayCIELab, 3);
  const algorithm = text(item, Tag.SegmentAlgorithmType).toLowerCase();
  return {
    number: number(item, Tag.SegmentNumber) ?? at + 1,
    label: text(item, Tag.SegmentLabel) || `Segment ${at + 1}`,
    detail: algorithm === "automatic" || algorithm === "semiautomatic" ? algorithm : "",
    colour: lab ? rgbOfLab(lab) : safe[at % safe.length],
  };
}

/** The groups of a frame: its own, else the shared ones. */
function groupOf(instance, frame, tag) {
  const own = items(instance, Tag.PerFrameFunctionalGroups)[frame - 1];
  const shared = items(instance, Tag.SharedFunctionalGroups)[0];
  return items(own, tag)[0] ?? items(shared, tag)[0];
}

/**
 * @param {object} instance DICOM JSON
 * @returns {{uid: string, series: string, name: string, kind: string, most: number, bits: number, rows: number,
 *   columns: number, segments: object[], frames: object[], why?: string}} `most`: the value that is a whole
 *   pixel; `frames`: `number`, `segment` (undefined: every segment, by its value), `sources`, `plane`; `why`: it
 *   cannot be shown, in words
 */
export function segmentationOf(instance) {
  const isMap = text(instance, Tag.SOPClassUID) === labelMap;
  const kind = isMap ? "LABELMAP" : text(instance, Tag.SegmentationType) || "BINARY";
  const bits = number(instance, Tag.BitsAllocated) ?? 0;
  const segments = items(instance, Tag.SegmentSequence)
    .map(segmentOf)
    .filter((segment) => !(isMap && segment.number === 0));
  const found = {
    uid: text(instance, Tag.SOPInstanceUID),
    series: text(instance, Tag.SeriesInstanceUID),
    name:
      text(instance, Tag.SeriesDescription) || text(instance, Tag.ContentLabel) || "Segmentation",
    kind,
    most: kind === "FRACTIONAL" ? (number(instance, Tag.MaximumFractionalValue) ?? 255) : 1,
    bits,
    rows: number(instance, Tag.Rows) ?? 0,
    columns: number(instance, Tag.Columns) ?? 0,
    segments,
    frames: [],
  };
  if (![1, 8, 16].includes(bits) || !(found.rows > 0) || !(found.columns > 0) || !segments.length) {
    return { ...found, why: "Its pixels or its segments cannot be read." };
  }
  const frames = framesOf([instance]).map((frame) => {
    const identified = groupOf(instance, frame.frame, Tag.SegmentIdentification);
    const segment = isMap ? undefined : number(identified, Tag.ReferencedSegmentNumber);
    const derived = groupOf(instance, frame.frame, Tag.DerivationImage);
    return {
      number: frame.frame,
      segment,
      sources: items(derived, Tag.SourceImage).map((source) => ({
        sop: text(source, Tag.ReferencedSOPInstanceUID),
        frames: numbers(source, Tag.ReferencedFrameNumber) ?? [],
      })),
      plane: planeOf(frame),
      thickness: number(frame.dataset, Tag.SliceThickness) ?? 1,
    };
  });
  const known = frames.filter(({ segment }) => isMap || segment !== undefined);
  return known.length
    ? { ...found, frames: known }
    : { ...found, why: "It does not say which frame is which segment." };
}

const isSource = ({ sources }, frame) =>
  sources.some(
    ({ sop, frames }) =>
      sop === frame.sopInstanceUID && (!frames.length || frames.includes(frame.frame)),
  );

function isInPlane({ plane, thickness }, shown) {
  if (!plane || !shown || !plane.reference || plane.reference !== shown.reference) return false;
  if (Math.abs(dot(plane.normal, shown.normal)) < parallel) return false;
  return Math.abs(heightOver(shown, plane.origin)) <= Math.abs(thickness) / 2 + 0.01;
}

/**
 * The frames of a segmentation that belong on a picture: those made from it, else those in its plane in the same
 * frame of reference.
 */
export function framesOn({ frames }, frame) {
  const made = frames.filter((one) => isSource(one, frame));
  if (made.length) return made;
  const shown = planeOf(frame.stored ? { ...frame, ...frame.stored } : frame);
  return frames.filter((one) => isInPlane(one, shown));
}

/**
 * Where the corners of a segmentation's frame lie on a picture: top left, top right, bottom left in pixels, the
 * middle of the first being [0, 0]; undefined where that is not known.
 */
export function cornersOn({ rows, columns }, { plane }, frame) {
  const stored = frame.stored ?? frame;
  const corners = [
    [-0.5, -0.5],
    [columns - 0.5, -0.5],
    [-0.5, rows - 0.5],
  ];
  const shown = planeOf({ ...frame, ...stored });
  const same = plane && shown && plane.reference === shown.reference;
  if (!same && (stored.rows !== rows || stored.columns !== columns)) return undefined;
  return corners
    .map((corner) => (same ? pixelOf(shown, placeOf(plane, corner)) : corner))
    .map((pixel) => rescaled(pixel, stored, frame));
}
