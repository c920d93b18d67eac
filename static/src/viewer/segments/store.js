/** The segmentations of a study, which segments are shown, and how strongly. */
import { Tag, text } from "../tags.js";
import { isSegmentation, segmentationOf } from "./list.js";
import { createMasks } from "./masks.js";

const keyOf = (segmentation, segment) => `${segmentation.uid} ${segment.number}`;

/**
 * @param {object} options
 * @param {() => object[]} options.series of the study
 * @param {(uid: string) => Promise<object[]>} options.metadataOf
 * @param {(series: string, sop: string, numbers: number[]) => string} options.framesURL
 */
export function createSegments({ series, metadataOf, framesURL }) {
  const chosen = new Set();
  const masks = new Map();
  const listeners = new Set();
  let known = [];
  let opacity = 0.5;
  const tell = () => {
    for (const listener of listeners) listener();
  };

  return {
    subscribe: (listener) => listeners.add(listener),
    get opacity() {
      return opacity;
    },
    setOpacity(next) {
      opacity = next;
      tell();
    },

    /** Every segmentation; `failed` counts series that could not be read. */
    async list() {
      const wanted = series().filter(({ modality, sopClasses = [] }) =>
        sopClasses.length ? sopClasses.some(isSegmentation) : modality === "SEG",
      );
      const read = await Promise.allSettled(wanted.map(({ uid }) => metadataOf(uid)));
      const before = new Map(known.map((each) => [each.uid, each]));
      known = read
        .flatMap(({ value }) => value ?? [])
        .filter((instance) => isSegmentation(text(instance, Tag.SOPClassUID)))
        .map(
          (instance) => before.get(text(instance, Tag.SOPInstanceUID)) ?? segmentationOf(instance),
        );
      const failed = read.filter(({ status }) => status === "rejected").length;
      return { segmentations: known, failed };
    },

    isChosen: (segmentation, segment) => chosen.has(keyOf(segmentation, segment)),
    /** Shows or hides segments of a segmentation. */
    choose(segmentation, segments, on) {
      for (const segment of segments) {
        if (on) chosen.add(keyOf(segmentation, segment));
        else chosen.delete(keyOf(segmentation, segment));
      }
      tell();
    },

    /** What is to be drawn: segmentations with the segments that are shown. */
    shown: () =>
      known
        .map((segmentation) => ({
          segmentation,
          segments: segmentation.segments.filter((each) => chosen.has(keyOf(segmentation, each))),
        }))
        .filter(({ segments }) => segments.length),

    masksOf(segmentation) {
      if (!masks.has(segmentation.uid)) {
        const urlOf = (numbers) => framesURL(segmentation.series, segmentation.uid, numbers);
        masks.set(segmentation.uid, createMasks(segmentation, urlOf));
      }
      return masks.get(segmentation.uid);
    },
  };
}
