import { Enums, eventTarget, imageLoader, metaData, utilities } from "@cornerstonejs/core";
import dicomImageLoader from "@cornerstonejs/dicom-image-loader";

import { markRgb, rgbOfYbr422, unmarkedJpeg } from "./colour.js";
import { RequestError, bulkBytes } from "./dicomweb.js";
import { asDrawn, filledTable, frameRate } from "./frames.js";
import { initRendered, renderedScheme } from "./rendered.js";
import { Tag, number, text } from "./tags.js";
import { applyTable, curveOf, displayedPadding, valueRange } from "./voi.js";

const { MetadataModules } = Enums;
const decodeLimit = 60_000;

/** Frames by image id: what the decoder and the renderer ask about them. */
const frames = new Map();
/** Sizes of the pictures that the server drew. */
const drawn = new Map();
/** Tables that came apart from the metadata, as promises by address. */
const tables = new Map();
const tablesKept = 256;

/** The image id of a frame, and what there is to know of it. */
export function register({ url, frame }) {
  const imageId = `${frame.byServer ? renderedScheme : "wadors"}:${url}`;
  const size = drawn.get(imageId);
  frames.set(imageId, size ? asDrawn(frame, size) : frame);
  return imageId;
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
 * modality tables are applied, and `curve` says what the file asks for; without a wish of the file, the
 * window leaves the padding out.
 */
function finish(image, frame) {
  const decoded = image.voxelManager.getScalarData();
  const halved =
    frame.photometric === "YBR_FULL_422" && decoded.length === frame.rows * frame.columns * 2;
  const expected = frame.rows * frame.columns * (image.numberOfComponents ?? 1);
  if (
    image.rows !== frame.rows ||
    image.columns !== frame.columns ||
    (decoded.length !== expected && !halved)
  ) {
    throw new Error("The decoded picture is not of the size that its header says.");
  }
  let pixels = image.color ? decoded : displayable(decoded);
  if (halved) pixels = rgbOfYbr422(decoded);
  if (frame.signed && frame.bitsAllocated <= 16 && !image.color) {
    pixels = signedValues(pixels, frame);
  }
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
  image.curve = image.color
    ? { shape: "LINEAR", range: { lower: 0, upper: 255 }, greys: [0, 1] }
    : curveOf(frame, () =>
        valueRange(pixels, frame.modalityTable ? undefined : displayedPadding(frame)),
      );
  // The stack draws the curve itself; this is what the viewport starts from.
  const { lower, upper } = image.curve.range;
  image.windowWidth = upper - lower + 1;
  image.windowCenter = (upper + lower + 1) / 2;
  image.voiLUTFunction = "LINEAR";
  return image;
}

/**
 * Signed values that a decoder left unsigned: native bytes, and JPEG 2000 whose own header says unsigned.
 * No signed value is that large, so pixels that came out right stay as they are.
 */
function signedValues(pixels, { slope, intercept, modalityTable, bitsAllocated }) {
  const [factor, offset] = modalityTable ? [1, 0] : [slope, intercept];
  const span = 2 ** bitsAllocated;
  const wrong = (value) => (value - offset) / factor > span / 2 - 0.5;
  if (!pixels.some(wrong)) return pixels;
  return Float32Array.from(pixels, (value) => (wrong(value) ? value - span * factor : value));
}

/** Answers that are not pixels (a login page, an error text) never reach a decoder. */
async function onlyPixels(xhr) {
  const type = xhr.getResponseHeader("Content-Type") ?? "";
  if (!/^(multipart\/related|application\/octet-stream|image\/)/i.test(type)) {
    throw new Error("no pixels");
  }
  spellHeader(xhr.response);
  const frame = frames.get(`wadors:${xhr.responseURL}`);
  if (frame?.photometric !== "RGB" || frame.bitsAllocated !== 8) return xhr.response;
  const body = new Uint8Array(xhr.response);
  const start = isBaselineJpeg(body) ? unmarkedJpeg(body) : -1;
  return start < 0 ? xhr.response : markRgb(body, start).buffer;
}

function partHeader(body) {
  const latin = new TextDecoder("latin1").decode(body.subarray(0, 512));
  return latin.slice(0, Math.max(0, latin.indexOf("\r\n\r\n")));
}

const isBaselineJpeg = (body) => partHeader(body).includes("1.2.840.10008.1.2.4.50");

/** Names of header fields are the same in either case (RFC 2045); the decoder knows only "Content-Type". */
function spellHeader(body) {
  const name = "Content-Type:";
  const bytes = new Uint8Array(body);
  const at = partHeader(bytes).search(/content-type:/i);
  if (at >= 0) bytes.set(new TextEncoder().encode(name), at);
}

/**
 * A decoder's surprise may leave its promise open for ever. Settles with `loading`, or fails when nothing
 * has come of the pixels a minute after they arrived.
 */
function watched(imageId, loading) {
  return new Promise((resolve, reject) => {
    let timer = 0;
    const arrived = ({ detail }) => {
      if (detail.imageId !== imageId) return;
      timer = setTimeout(() => end(reject, new Error("The picture was not decoded.")), decodeLimit);
    };
    const end = (settle, value) => {
      clearTimeout(timer);
      eventTarget.removeEventListener("cornerstoneimageloadend", arrived);
      settle(value);
    };
    eventTarget.addEventListener("cornerstoneimageloadend", arrived);
    loading.then(
      (image) => end(resolve, image),
      (error) => end(reject, error),
    );
  });
}

function tableAt(table) {
  if (!table?.uri) return table;
  let promise = tables.get(table.uri);
  if (!promise) {
    promise = bulkBytes(table.uri).then((bytes) => {
      const filled = filledTable(table, bytes);
      if (!filled) throw new RequestError("broken", 200);
      return filled;
    });
    promise.catch(() => tables.delete(table.uri));
    if (tables.size >= tablesKept) tables.clear();
    tables.set(table.uri, promise);
  }
  return promise;
}

/** The frame with its tables at hand. Without them its greys would be wrong: it fails. */
async function complete(imageId) {
  const frame = frames.get(imageId);
  if (!frame.modalityTable?.uri && !frame.voiTable?.uri) return frame;
  const [modalityTable, voiTable] = await Promise.all([
    tableAt(frame.modalityTable),
    tableAt(frame.voiTable),
  ]);
  const whole = { ...frame, modalityTable, voiTable };
  frames.set(imageId, whole);
  return whole;
}

export function initImages({ workers }) {
  dicomImageLoader.init({ maxWebWorkers: workers, beforeProcessing: onlyPixels });
  metaData.addProvider(provide, 10_000);
  imageLoader.registerImageLoader("wadors", (imageId, options) => {
    const loading = dicomImageLoader.wadors.loadImage(imageId, options);
    const both = Promise.all([watched(imageId, loading.promise), complete(imageId)]);
    return { ...loading, promise: both.then(([image, frame]) => finish(image, frame)) };
  });
  initRendered((imageId, size) => {
    drawn.set(imageId, size);
    const frame = asDrawn(frames.get(imageId), size);
    frames.set(imageId, frame);
    return frame;
  });
}

/**
 * Pixels of a decoded picture as its file stores them, and as displayed.
 *
 * @returns {{rows, columns, samplesPerPixel, slope, intercept, stored, values}} `stored` is undefined
 *   where a table or the server stands between the two
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
    stored: frame.modalityTable || frame.byServer ? undefined : stored,
    values,
  };
}
