import { Tag, number, text } from "./tags.js";

/** Kinds of objects without a picture for this viewer: what it is, and what the reader can do. */
const kinds = [
  {
    classes: /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.88\./,
    modalities: ["SR"],
    name: "a structured report (SR)",
    why: "It holds text and measurements, not pictures.",
  },
  {
    classes: /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.104\./,
    modalities: ["DOC"],
    name: "an encapsulated document (PDF or another file)",
    why: "It holds a document, not pictures. This viewer shows documents that are PDFs.",
  },
  {
    classes: /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.11\./,
    modalities: ["PR"],
    name: "a presentation state (PR)",
    why: "It says how other images were displayed: choose it under Layers while one of them is shown.",
  },
  {
    classes: /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.66\.[4-7]/,
    modalities: ["SEG", "M3D"],
    name: "a segmentation (SEG)",
    why: "It marks regions in other images: choose them under Layers, beside the tools.",
  },
  {
    classes: /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.66(\.[1-3])?$/,
    modalities: ["REG", "FID"],
    name: "a registration or raw data object",
    why: "It has no picture of its own.",
  },
  {
    classes:
      /^1\.2\.840\.10008\.5\.1\.4\.(1\.1\.481\.([3-9]|1[0-9]|2[0-9])(\.|$)|34\.(7|10|1)(\.|$))/,
    modalities: ["RTSTRUCT", "RTPLAN", "RTRECORD", "RTSEGANN"],
    name: "a radiotherapy object (RT)",
    why: "It holds contours, a plan or a record, not pictures. This viewer cannot show it.",
  },
  {
    classes: /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.9\./,
    modalities: ["ECG", "AU", "HD", "EPS", "RESP"],
    name: "a waveform (ECG, audio or another recording)",
    why: "It holds curves or sound, not pictures. This viewer cannot show them yet.",
  },
];

const keyObjects = {
  classes: /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.88\.59$/,
  modalities: ["KO"],
  name: "a key object selection (KO)",
  why: "It lists images that somebody marked and has no picture of its own.",
};

const videoSyntaxes = /^1\.2\.840\.10008\.1\.2\.(4\.10\d(\.1)?|7\.\d)$/;

export function isVideo(transferSyntaxUID) {
  return videoSyntaxes.test(transferSyntaxUID ?? "");
}

function kindOf(sopClassUID, modality) {
  const all = [keyObjects, ...kinds];
  return (
    all.find((kind) => kind.classes.test(sopClassUID ?? "")) ??
    (sopClassUID ? undefined : all.find((kind) => kind.modalities.includes(modality ?? "")))
  );
}

/**
 * Whether a series can be expected to hold pictures, from what the page knows before any metadata.
 *
 * @param {{modality: string, sopClasses?: string[]}} series
 */
export function maybePictures({ modality, sopClasses = [] }) {
  if (sopClasses.length) return sopClasses.some((uid) => !kindOf(uid, modality));
  return !kindOf(undefined, modality);
}

/**
 * Why an instance cannot be shown as a picture: undefined when it can.
 *
 * @param {object} instance DICOM JSON
 * @returns {{name: string, why: string} | undefined}
 */
export function whyNot(instance) {
  const kind = kindOf(text(instance, Tag.SOPClassUID), text(instance, Tag.Modality));
  if (kind) return { name: kind.name, why: kind.why };
  if (!(number(instance, Tag.Rows) > 0 && number(instance, Tag.Columns) > 0)) {
    return { name: "an object without pixels", why: "The file does not hold a picture." };
  }
  if (isVideo(text(instance, Tag.AvailableTransferSyntaxUID))) {
    return {
      name: "a video",
      why: "It is stored as MPEG or HEVC video. This viewer cannot play it yet.",
    };
  }
  return undefined;
}

/**
 * Whether only the server can make the picture: bits packed eight to a byte, colour above eight bits, a
 * segmented palette, 64-bit values.
 */
export function isForServer(instance) {
  const allocated = number(instance, Tag.BitsAllocated);
  if (allocated === 1 || allocated === 64) return true;
  if (number(instance, Tag.SamplesPerPixel) > 1 && allocated > 8) return true;
  return (
    text(instance, Tag.PhotometricInterpretation) === "PALETTE COLOR" &&
    Boolean(instance[Tag.SegmentedRedPaletteData])
  );
}
