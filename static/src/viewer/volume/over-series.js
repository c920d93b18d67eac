/** Series of a study that can be laid over the planes of another: PET. */
import { contentsOf } from "../contents.js";
import { seriesLabel } from "../rail.js";

/**
 * @param {object} study
 * @param {string} under the series that is shown
 * @param {(entry: {url: string, frame: object}) => string} register gives the image id
 * @returns {{label: string, entries: () => Promise<{frame: object, imageId: string}[]>}[]}
 */
export function overSeries(study, under, register) {
  return study
    .series()
    .filter(({ uid, pictures, modality }) => pictures && modality === "PT" && uid !== under)
    .map((series) => ({
      label: seriesLabel(series),
      async entries() {
        const { frames } = contentsOf(await study.metadataOf(series.uid));
        return frames.map((frame) => {
          const url = new URL(study.client.frameURL(series.uid, frame), location.href).href;
          return { frame, imageId: register({ url, frame }) };
        });
      },
    }));
}
