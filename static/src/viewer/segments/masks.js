/** Frames of segmentations as shares of each pixel. */
import { RequestError, request } from "../dicomweb.js";

const accept =
  'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1';
const kept = 400;
const atOnce = 32;

/** The bodies of a multipart/related answer (RFC 2046). RequestError where it is none. */
export function partsOf(body, contentType) {
  const boundary = /boundary="?([^";]+)"?/i.exec(contentType)?.[1];
  if (!boundary) throw new RequestError("broken", 200);
  const latin = new TextDecoder("latin1").decode(body);
  const parts = [];
  let at = latin.indexOf(`--${boundary}`);
  while (at >= 0) {
    const start = latin.indexOf("\r\n\r\n", at);
    const end = start < 0 ? -1 : latin.indexOf(`\r\n--${boundary}`, start + 4);
    if (end < 0) break;
    parts.push(body.subarray(start + 4, end));
    at = end + 2;
  }
  return parts;
}

/**
 * The values of a frame, one a pixel. Bits are packed eight a byte, the first in the lowest (PS3.5 8.1.1).
 *
 * @returns {Uint8Array | Uint16Array} RequestError where there are too few
 */
export function valuesOf(bytes, { bits, rows, columns }) {
  const count = rows * columns;
  if (bytes.length < Math.ceil((count * bits) / 8)) throw new RequestError("broken", 200);
  if (bits === 1) {
    return Uint8Array.from({ length: count }, (_, at) => (bytes[at >> 3] >> (at & 7)) & 1);
  }
  if (bits === 8) return bytes.slice(0, count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint16Array.from({ length: count }, (_, at) => view.getUint16(at * 2, true));
}

/** How much of a pixel a value marks for a segment, 0 to 1. */
export function shareOf(value, segment, { kind, most }) {
  if (kind === "LABELMAP") return value === segment ? 1 : 0;
  return Math.min(1, value / most);
}

/**
 * Frames by number, each asked for once; the latest stay.
 *
 * @param {object} segmentation
 * @param {(numbers: number[]) => string} urlOf frames
 */
export function createMasks(segmentation, urlOf) {
  const frames = new Map();

  async function fetched(numbers) {
    const response = await request(new URL(urlOf(numbers), location.href), accept);
    const type = response.headers.get("Content-Type") ?? "";
    const parts = partsOf(new Uint8Array(await response.arrayBuffer()), type);
    if (parts.length !== numbers.length) throw new RequestError("broken", 200);
    return parts.map((part) => valuesOf(part, segmentation));
  }

  return {
    /** Those that are here already, undefined for those that are not. */
    here: (number) => frames.get(number)?.values,
    /** Settles when all of them are here. */
    async load(numbers) {
      const missing = numbers.filter((number) => !frames.has(number));
      for (let from = 0; from < missing.length; from += atOnce) {
        const some = missing.slice(from, from + atOnce);
        const together = fetched(some);
        for (const [at, number] of some.entries()) {
          const entry = {};
          entry.promise = together.then((all) => {
            entry.values = all[at];
          });
          entry.promise.catch(() => frames.delete(number));
          frames.set(number, entry);
        }
      }
      await Promise.all(numbers.map((number) => frames.get(number).promise));
      for (const number of frames.keys()) {
        if (frames.size <= kept) break;
        if (!numbers.includes(number)) frames.delete(number);
      }
    },
  };
}
