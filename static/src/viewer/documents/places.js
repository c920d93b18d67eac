/** Places in a study that a document refers to. Pure. */

const address = /\/studies\/([0-9.]+)\/series\/([0-9.]+)\/instances\/([0-9.]+)(?:\/frames\/(\d+))?/;

/**
 * The place that an address of the DICOMweb service stands for; undefined for any other address.
 *
 * @returns {{study: string, series: string, sop: string, frame: number | undefined} | undefined}
 */
export function placeOfAddress(href) {
  const found = address.exec(String(href ?? ""));
  if (!found) return undefined;
  const [, study, series, sop, frame] = found;
  return { study, series, sop, frame: frame && Number(frame) };
}

/** The index of the picture at a place, -1 where it is not among the frames. */
export function indexAt(frames, { sop, frame = 1 }) {
  const exact = frames.findIndex((one) => one.sopInstanceUID === sop && one.frame === frame);
  return exact >= 0 ? exact : frames.findIndex((one) => one.sopInstanceUID === sop);
}
