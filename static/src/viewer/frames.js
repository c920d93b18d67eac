import { isForServer } from "./displayable.js";
import { Tag, inlineBytes, items, number, numbers, text } from "./tags.js";

/** Functional groups that hold attributes which single-frame objects carry at the top (PS3.3 C.7.6.16). */
const functionalGroups = [
  "00209113", // Plane Position
  "00209116", // Plane Orientation
  "00289110", // Pixel Measures
  "00289132", // Frame VOI LUT
  "00289145", // Pixel Value Transformation
  "00209111", // Frame Content
  "00209071", // Frame Anatomy
  "00189114", // MR Echo
  "00189112", // MR Timing and Related Parameters
];

/**
 * The data set of one frame of an instance: the instance's own attributes with those of the shared and
 * then the per-frame functional groups over them. The instance itself is not changed, so that what one
 * frame says never leaks into another.
 *
 * @param {object} instance DICOM JSON of the instance
 * @param {number} frame from 1
 */
export function frameDataset(instance, frame) {
  const shared = items(instance, Tag.SharedFunctionalGroups)[0];
  const perFrame = items(instance, Tag.PerFrameFunctionalGroups)[frame - 1];
  if (!shared && !perFrame) return instance;
  const dataset = { ...instance };
  for (const groups of [shared, perFrame]) {
    for (const tag of functionalGroups) Object.assign(dataset, items(groups, tag)[0]);
  }
  return dataset;
}

/** Number of frames of an instance; single-frame objects have one. */
export function frameCount(instance) {
  const count = number(instance, Tag.NumberOfFrames) ?? 1;
  return Math.max(1, Math.trunc(count));
}

/** Rows and columns distances in mm, or their ratio where the file knows no distance (PS3.3 10.7.1.3). */
function spacing(dataset) {
  const sources = [
    ["patient", Tag.PixelSpacing],
    ["detector", Tag.ImagerPixelSpacing],
    ["detector", Tag.NominalScannedPixelSpacing],
  ];
  for (const [source, tag] of sources) {
    const found = numbers(dataset, tag, 2);
    if (found && found[0] > 0 && found[1] > 0) return { row: found[0], column: found[1], source };
  }
  const ratio = numbers(dataset, Tag.PixelAspectRatio, 2);
  if (ratio && ratio[0] > 0 && ratio[1] > 0) {
    return { row: ratio[0] / ratio[1], column: 1, source: "ratio" };
  }
  return { row: 1, column: 1, source: "none" };
}

/** Unit row and column directions, undefined when the file does not give two perpendicular ones. */
export function orientation(dataset) {
  const cosines = numbers(dataset, Tag.ImageOrientationPatient, 6);
  if (!cosines) return undefined;
  const row = cosines.slice(0, 3);
  const column = cosines.slice(3, 6);
  const rowLength = Math.hypot(...row);
  const columnLength = Math.hypot(...column);
  if (rowLength < 0.9 || columnLength < 0.9) return undefined;
  const unitRow = row.map((value) => value / rowLength);
  const unitColumn = column.map((value) => value / columnLength);
  const dot = unitRow.reduce((sum, value, axis) => sum + value * unitColumn[axis], 0);
  if (Math.abs(dot) > 0.05) return undefined;
  return { row: unitRow, column: unitColumn };
}

/** A table; its `data` may still be at `uri`, for `filledTable`. */
function lookupTable(sequenceItem, signedInput) {
  const descriptor = numbers(sequenceItem, Tag.LUTDescriptor, 3);
  if (!descriptor) return undefined;
  const [declared, first, bits] = descriptor;
  if (!(bits >= 1 && bits <= 16)) return undefined;
  const entries = declared === 0 ? 65536 : declared;
  const table = { first: signedInput && first > 32767 ? first - 65536 : first, bits };
  const data = numbers(sequenceItem, Tag.LUTData, entries);
  if (data) return { ...table, data: data.slice(0, entries) };
  const bytes = inlineBytes(sequenceItem, Tag.LUTData);
  if (bytes) return filledTable({ ...table, entries }, bytes);
  const uri = sequenceItem[Tag.LUTData]?.BulkDataURI;
  return uri ? { ...table, entries, uri } : undefined;
}

/** The table with its entries from bytes; undefined when there are too few. */
export function filledTable({ first, bits, entries }, bytes) {
  const data = words(bytes, entries);
  return data && { first, bits, data: Array.from(data) };
}

/** OW data as numbers; eight-bit tables may be packed one byte an entry. */
function words(bytes, entries) {
  if (bytes.length >= entries * 2) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Uint16Array.from({ length: entries }, (_, index) => view.getUint16(index * 2, true));
  }
  return bytes.length >= entries ? Uint16Array.from(bytes.subarray(0, entries)) : undefined;
}

function palette(dataset) {
  const colours = [
    [Tag.RedPaletteDescriptor, Tag.RedPaletteData],
    [Tag.GreenPaletteDescriptor, Tag.GreenPaletteData],
    [Tag.BluePaletteDescriptor, Tag.BluePaletteData],
  ].map(([descriptorTag, dataTag]) => {
    const descriptor = numbers(dataset, descriptorTag, 3);
    if (!descriptor) return undefined;
    const entries = descriptor[0] === 0 ? 65536 : descriptor[0];
    const bytes = inlineBytes(dataset, dataTag);
    const data = bytes ? words(bytes, entries) : undefined;
    if (!data) return undefined;
    return {
      descriptor: [entries, descriptor[1], descriptor[2]],
      data,
      uri: dataset[dataTag]?.BulkDataURI,
    };
  });
  return colours.every(Boolean) ? colours : undefined;
}

/** What the file itself asks for as the first window, undefined when it asks for none. */
function window_(dataset) {
  const center = numbers(dataset, Tag.WindowCenter)?.[0];
  const width = numbers(dataset, Tag.WindowWidth)?.[0];
  if (center === undefined || width === undefined || width <= 0) return undefined;
  const named = text(dataset, Tag.VOILUTFunction).toUpperCase();
  const shape = ["LINEAR_EXACT", "SIGMOID"].includes(named) ? named : "LINEAR";
  // LINEAR knows no width below one.
  return { center, width, shape: shape === "LINEAR" && width < 1 ? "LINEAR_EXACT" : shape };
}

/**
 * @typedef {object} Frame one picture of a stack
 * @property {string} sopInstanceUID
 * @property {number} frame from 1
 * @property {number} frames of its instance
 */

/**
 * Every frame of a series, in the order of the metadata.
 *
 * @param {object[]} instances DICOM JSON of the series' instances
 * @returns {Frame[]}
 */
export function framesOf(instances) {
  return instances.flatMap((instance) => {
    const frames = frameCount(instance);
    return Array.from({ length: frames }, (_, index) => describe(instance, index + 1, frames));
  });
}

function describe(instance, frame, frames) {
  const dataset = frameDataset(instance, frame);
  const signed = number(dataset, Tag.PixelRepresentation) === 1;
  const photometric = text(dataset, Tag.PhotometricInterpretation);
  const intercept = number(dataset, Tag.RescaleIntercept) ?? 0;
  const modalityTable = lookupTable(items(dataset, Tag.ModalityLUTSequence)[0], signed);
  // What comes out of a modality table is never negative; what is rescaled may be.
  const below = !modalityTable && (signed || intercept < 0);
  return {
    dataset,
    frame,
    frames,
    sopInstanceUID: text(instance, Tag.SOPInstanceUID),
    sopClassUID: text(instance, Tag.SOPClassUID),
    modality: text(instance, Tag.Modality),
    instanceNumber: number(instance, Tag.InstanceNumber),
    rows: number(dataset, Tag.Rows),
    columns: number(dataset, Tag.Columns),
    samplesPerPixel: number(dataset, Tag.SamplesPerPixel) ?? 1,
    photometric,
    planarConfiguration: number(dataset, Tag.PlanarConfiguration) ?? 0,
    bitsAllocated: number(dataset, Tag.BitsAllocated),
    bitsStored: number(dataset, Tag.BitsStored) ?? number(dataset, Tag.BitsAllocated),
    highBit: number(dataset, Tag.HighBit),
    signed,
    slope: number(dataset, Tag.RescaleSlope) || 1,
    intercept,
    rescaleType: text(dataset, Tag.RescaleType),
    window: window_(dataset),
    modalityTable,
    voiTable: lookupTable(items(dataset, Tag.VOILUTSequence)[0], below),
    palette: photometric === "PALETTE COLOR" ? palette(dataset) : undefined,
    byServer: isForServer(dataset),
    padding: numbers(dataset, Tag.PixelPaddingValue)?.[0],
    paddingLimit: numbers(dataset, Tag.PixelPaddingRangeLimit)?.[0],
    position: numbers(dataset, Tag.ImagePositionPatient, 3),
    orientation: orientation(dataset),
    spacing: spacing(dataset),
    frameOfReferenceUID: text(dataset, Tag.FrameOfReferenceUID),
    frameRate: frameRate(dataset),
  };
}

/** A frame as the server draws it: colour of eight bits, at the size that the server chose. */
export function asDrawn(frame, { rows, columns }) {
  const { spacing } = frame;
  return {
    ...frame,
    // What measurements are kept in.
    stored: frame.stored ?? { rows: frame.rows, columns: frame.columns, spacing },
    rows,
    columns,
    spacing: {
      ...spacing,
      row: (spacing.row * frame.rows) / rows,
      column: (spacing.column * frame.columns) / columns,
    },
    samplesPerPixel: 3,
    photometric: "RGB",
    planarConfiguration: 0,
    bitsAllocated: 8,
    bitsStored: 8,
    highBit: 7,
    signed: false,
    slope: 1,
    intercept: 0,
    window: undefined,
    modalityTable: undefined,
    voiTable: undefined,
    palette: undefined,
  };
}

/** Frames a second that the file recommends, undefined when it says nothing (PS3.3 C.7.6.5). */
export function frameRate(dataset) {
  const rate =
    number(dataset, Tag.RecommendedDisplayFrameRate) ??
    number(dataset, Tag.CineRate) ??
    1000 / (number(dataset, Tag.FrameTime) || Number.NaN);
  return Number.isFinite(rate) && rate > 0 ? rate : undefined;
}
