/** How long this opening of the viewer took, told to the portal for its statistics. */
import { ask } from "../reports/api.js";

const whole = (value) => Math.max(0, Math.round(value));

/**
 * The parts of the wait for the first image, in milliseconds.
 *
 * @param {number} first when it was on the screen, since the navigation began
 * @param {{requestStart: number, responseStart: number, responseEnd: number}[]} entries of the answers that
 *   it waited for, one after the other: page, metadata, frame
 */
export function partsOf(first, entries) {
  const known = entries.filter((entry) => entry && entry.responseEnd > 0);
  const sum = (part) => known.reduce((total, entry) => total + Math.max(0, part(entry)), 0);
  const server = whole(sum((entry) => entry.responseStart - entry.requestStart));
  const network = whole(sum((entry) => entry.responseEnd - entry.responseStart));
  const last = known.at(-1)?.responseEnd ?? first;
  const first_ms = Math.max(whole(first), server + network);
  const decode = Math.min(whole(first - last), first_ms - server - network);
  return { first_ms, server_ms: server, network_ms: network, decode_ms: decode };
}

/**
 * @param {number} studyId
 * @param {() => number} now since the navigation began
 */
export function watchOpening(studyId, now = () => performance.now()) {
  performance.setResourceTimingBufferSize(5000);
  const id = crypto.randomUUID();
  let told;
  let first;

  const frames = () =>
    performance.getEntriesByType("resource").filter(({ name }) => /\/frames\/\d+$/.test(name));

  function tell(more = {}) {
    const bytes = frames().reduce((total, { encodedBodySize }) => total + encodedBodySize, 0);
    // What is lost is only a number.
    ask("POST", `/api/studies/${studyId}/openings/`, { id, ...told, size: bytes, ...more });
  }

  return {
    /** A picture of a series is on the screen; only the first one counts. */
    shown(series, { frame, count }) {
      if (told || document.visibilityState !== "visible") return;
      const at = now();
      const [page] = performance.getEntriesByType("navigation");
      const metadata = performance
        .getEntriesByType("resource")
        .find(({ name }) => name.endsWith("/metadata"));
      const image = frames().find(({ name }) =>
        name.endsWith(`/instances/${frame.sopInstanceUID}/frames/${frame.frame}`),
      );
      first = series;
      told = {
        modality: frame.modality ?? "",
        images: count,
        ...partsOf(at, [page, metadata, image]),
      };
      tell();
    },

    /** All images of a series are here: counted for the first one. */
    loaded(series, images) {
      if (!told || series !== first || told.whole_ms !== undefined) return;
      told.whole_ms = whole(now());
      told.images = images;
      tell();
    },
  };
}
