import { Enums, imageLoader, metaData, utilities } from "@cornerstonejs/core";
import dicomImageLoader from "@cornerstonejs/dicom-image-loader";

import { frameRate } from "./frames.js";
import { Tag, number, text } from "./tags.js";
import { applyTable, displayedPadding, valueRange, windowRange } from "./voi.js";

const { MetadataModules } = Enums;
const shapes = new Set(["LINEAR", "LINEAR_EXACT", "SIGMOID"]);

/** Frames by image id: what the decoder and the renderer ask about them. */
const frames = new Map();

export function registerFrames(entries) {
  for (const [imageId, frame] of entries) frames.set(imageId, frame);
}

export function frameOf(imageId) {
  return frames.get(imageId);
}

const modules = {
  [MetadataModules.GENERAL_SERIES]: (frame) => ({
    modality: frame.modality,
    seriesInstanceUID: text(frame.dataset, Tag.SeriesInstanceUID),
    studyInstanceUID: text(frame.dataset, Tag.StudyInstanceUID),
    seriesNumber: number(frame.dataset, Tag.SeriesNumber),
    seriesDescription: text(frame.dataset, Tag.SeriesDescription),
  }),
  [MetadataModules.GENERAL_IMAGE]: (frame) => ({
    sopInstanceUID: frame.sopInstanceUID,
    instanceNumber: frame.instanceNumber,
  }),
  [MetadataModules.SOP_COMMON]: (frame) => ({
    sopClassUID: frame.sopClassUID,
    sopInstanceUID: frame.sopInstanceUID,
  }),
  [MetadataModules.IMAGE_PLANE]: (frame) => {
    const row = frame.orientation?.row ?? [1, 0, 0];
    const column = frame.orientation?.column ?? [0, 1, 0];
    return {
      frameOfReferenceUID: frame.frameOfReferenceUID || undefined,
      rows: frame.rows,
      columns: frame.columns,
      imageOrientationPatient: [...row, ...column],
      rowCosines: row,
      columnCosines: column,
      imagePositionPatient: frame.position ?? [0, 0, 0],
      sliceThickness: number(frame.dataset, Tag.SliceThickness),
      sliceLocation: number(frame.dataset, Tag.SliceLocation),
      pixelSpacing: [frame.spacing.row, frame.spacing.column],
      rowPixelSpacing: frame.spacing.row,
      columnPixelSpacing: frame.spacing.column,
      usingDefaultValues:
        !frame.orientation || !frame.position || ["none", "ratio"].includes(frame.spacing.source),
    };
  },
  [MetadataModules.IMAGE_PIXEL]: (frame) => ({
    samplesPerPixel: frame.samplesPerPixel,
    photometricInterpretation: frame.photometric,
    planarConfiguration: frame.planarConfiguration,
    rows: frame.rows,
    columns: frame.columns,
    bitsAllocated: frame.bitsAllocated,
    bitsStored: frame.bitsStored,
    highBit: frame.highBit,
    pixelRepresentation: frame.signed ? 1 : 0,
    redPaletteColorLookupTableDescriptor: frame.palette?.[0].descriptor,
    greenPaletteColorLookupTableDescriptor: frame.palette?.[1].descriptor,
    bluePaletteColorLookupTableDescriptor: frame.palette?.[2].descriptor,
    redPaletteColorLookupTableData: frame.palette?.[0].data,
    greenPaletteColorLookupTableData: frame.palette?.[1].data,
    bluePaletteColorLookupTableData: frame.palette?.[2].data,
  }),
  [MetadataModules.VOI_LUT]: (frame) =>
    frame.window && {
      windowCenter: [frame.window.center],
      windowWidth: [frame.window.width],
      voiLUTFunction: [shapes.has(frame.window.shape) ? frame.window.shape : "LINEAR"],
    },
  [MetadataModules.MODALITY_LUT]: (frame) => ({
    rescaleIntercept: frame.modalityTable ? 0 : frame.intercept,
    rescaleSlope: frame.modalityTable ? 1 : frame.slope,
    rescaleType: frame.rescaleType,
  }),
  [MetadataModules.CINE]: (frame) => ({
    cineRate: frameRate(frame.dataset),
    numberOfFrames: frame.frames,
  }),
  [MetadataModules.TRANSFER_SYNTAX]: (frame) => ({
    transferSyntaxUID: text(frame.dataset, Tag.AvailableTransferSyntaxUID),
  }),
};

function provide(type, imageId) {
  const frame = frames.get(imageId);
  return frame && modules[type]?.(frame);
}

/** Types that the window tool and the textures can't take, as the nearest that can. */
function displayable(pixels) {
  if (pixels instanceof Int8Array) return Int16Array.from(pixels);
  if (pixels instanceof Uint32Array || pixels instanceof Int32Array)
    return Float32Array.from(pixels);
  return pixels;
}

/**
 * Checks and completes a decoded picture: a frame of another size than its header says is refused,
 * modality tables are applied, and the first window leaves the padding out.
 */
function finish(image, frame) {
  const decoded = image.voxelManager.getScalarData();
  const expected = frame.rows * frame.columns * (image.numberOfComponents ?? 1);
  if (image.rows !== frame.rows || image.columns !== frame.columns || decoded.length !== expected) {
    throw new Error("The decoded picture is not of the size that its header says.");
  }
  let pixels = image.color ? decoded : displayable(decoded);
  if (frame.modalityTable && !image.color) pixels = applyTable(pixels, frame.modalityTable);
  if (pixels !== decoded) {
    image.voxelManager = utilities.VoxelManager.createImageVoxelManager({
      scalarData: pixels,
      width: image.columns,
      height: image.rows,
      numberOfComponents: image.numberOfComponents,
    });
    image.imageFrame.pixelData = pixels;
    image.getPixelData = () => pixels;
    image.dataType = pixels.constructor.name;
    image.sizeInBytes = pixels.byteLength;
  }
  image.firstRange = firstRange(image, frame, pixels);
  image.windowWidth = image.firstRange.upper - image.firstRange.lower + 1;
  image.windowCenter = (image.firstRange.upper + image.firstRange.lower + 1) / 2;
  image.voiLUTFunction = "LINEAR";
  return image;
}

function firstRange(image, frame, pixels) {
  if (image.color) return { lower: 0, upper: 255 };
  if (frame.window) return windowRange(frame.window);
  if (frame.voiTable) {
    const { first, data } = frame.voiTable;
    return { lower: first, upper: first + data.length - 1 };
  }
  return valueRange(pixels, frame.modalityTable ? undefined : displayedPadding(frame));
}

/** Answers that are not pixels (a login page, an error text) never reach a decoder. */
function onlyPixels(xhr) {
  const type = xhr.getResponseHeader("Content-Type") ?? "";
  const pixels = /^(multipart\/related|application\/octet-stream|image\/)/i.test(type);
  return pixels ? Promise.resolve(xhr.response) : Promise.reject(new Error("no pixels"));
}

export function initImages({ workers }) {
  dicomImageLoader.init({ maxWebWorkers: workers, beforeProcessing: onlyPixels });
  metaData.addProvider(provide, 10_000);
  imageLoader.registerImageLoader("wadors", (imageId, options) => {
    const frame = frames.get(imageId);
    const loading = dicomImageLoader.wadors.loadImage(imageId, options);
    return { ...loading, promise: loading.promise.then((image) => finish(image, frame)) };
  });
}

/**
 * Pixels of a decoded picture as its file stores them, and as displayed.
 *
 * @returns {{rows, columns, samplesPerPixel, slope, intercept, stored, values}} `stored` is undefined
 *   where a table stands between the two
 */
export function pixelsOf(image) {
  const frame = frames.get(image.imageId);
  const values = image.voxelManager.getScalarData();
  const scaled = image.preScale?.scaled === true;
  const stored = scaled
    ? Int32Array.from(values, (value) => Math.round((value - frame.intercept) / frame.slope))
    : values;
  return {
    rows: image.rows,
    columns: image.columns,
    samplesPerPixel: image.numberOfComponents ?? 1,
    slope: frame.slope,
    intercept: frame.intercept,
    stored: frame.modalityTable ? undefined : stored,
    values,
  };
}
