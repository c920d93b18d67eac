/** Frames of segmentations as shares of each pixel. */
import { RequestError, request } from "../dicomweb.js";

const accept =
  'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1';
/** Bytes that frames of one segmentation may take. */
const room = 64 * 2 ** 20;
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

const bytesOf = ({ bits, rows, columns }) => Math.ceil((rows * columns * bits) / 8);

/** The values of a frame, one a pixel. Bits are packed eight a byte, the first in the lowest (PS3.5 8.1.1). */
export function valuesOf(bytes, { bits, rows, columns }) {
  const count = rows * columns;
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
 * Frames by number as bytes, each asked for once; the latest stay.
 *
 * @param {object} segmentation
 * @param {(numbers: number[]) => string} urlOf frames
 */
export function createMasks(segmentation, urlOf) {
  const frames = new Map();
  const size = bytesOf(segmentation);
  const kept = Math.max(atOnce, Math.floor(room / size));
  let isPrefetched = false;

  async function fetched(numbers) {
    const response = await request(new URL(urlOf(numbers), location.href), accept);
    const type = response.headers.get("Content-Type") ?? "";
    const parts = partsOf(new Uint8Array(await response.arrayBuffer()), type);
    const areWhole = parts.length === numbers.length && parts.every(({ length }) => length >= size);
    if (!areWhole) throw new RequestError("broken", 200);
    return parts;
  }

  function ask(numbers) {
    const together = fetched(numbers);
    for (const [at, number] of numbers.entries()) {
      const entry = {};
      entry.promise = together.then((all) => {
        entry.bytes = all[at];
      });
      entry.promise.catch(() => frames.delete(number));
      frames.set(number, entry);
    }
    return together;
  }

  /** Settles when all of them are here. RequestError. */
  async function load(numbers) {
    const missing = numbers.filter((number) => !frames.has(number));
    for (let from = 0; from < missing.length; from += atOnce) {
      ask(missing.slice(from, from + atOnce)).catch(() => {});
    }
    await Promise.all(numbers.map((number) => frames.get(number).promise));
    for (const number of frames.keys()) {
      if (frames.size <= kept) break;
      if (!numbers.includes(number)) frames.delete(number);
    }
  }

  return {
    load,
    /** The bytes of a frame that is here already, undefined for one that is not. */
    here: (number) => frames.get(number)?.bytes,
    /** Brings the others, some at a time, where all of them find room: scrolling waits for none. */
    async prefetch(numbers) {
      if (isPrefetched || numbers.length > kept) return;
      isPrefetched = true;
      try {
        for (let from = 0; from < numbers.length; from += atOnce) {
          await load(numbers.slice(from, from + atOnce));
        }
      } catch {
        // Asked for again when they are to be seen.
        isPrefetched = false;
      }
    },
  };
}
