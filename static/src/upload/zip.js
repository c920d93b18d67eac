/**
 * ZIP archives, read in place (PKWARE APPNOTE 6.3.10): the central directory says what there is, an
 * entry is unpacked when it is asked for. Names are only shown, never used as a path.
 */

export const LIMITS = {
  entries: 50_000,
  /** Bytes of a central directory. */
  directory: 64 * 2 ** 20,
  /** Bytes of all that is in the archive, unpacked. */
  total: 64 * 2 ** 30,
  /** How many times larger than the archive its content may be, once it is more than `free`. */
  ratio: 100,
  free: 512 * 2 ** 20,
};

const END = 0x06054b50;
const END_LENGTH = 22;
const END64_LOCATOR = 0x07064b50;
const END64 = 0x06064b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const STORED = 0;
const DEFLATED = 8;
const FULL = 0xffffffff;

/** An archive that is not unpacked, in words for a technician. */
export class ZipError extends Error {}

async function viewOf(blob, start, length) {
  if (start < 0 || start + length > blob.size) throw new ZipError("The archive is damaged.");
  return new DataView(await blob.slice(start, start + length).arrayBuffer());
}

function big(view, at) {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ZipError("The archive is damaged.");
  return Number(value);
}

/** Where the central directory is: `{ at, size, count }`. */
async function placeOf(blob) {
  const length = Math.min(blob.size, END_LENGTH + 0xffff);
  const start = blob.size - length;
  const tail = await viewOf(blob, start, length);
  let end = -1;
  for (let at = length - END_LENGTH; at >= 0; at -= 1) {
    if (tail.getUint32(at, true) !== END) continue;
    if (at + END_LENGTH + tail.getUint16(at + 20, true) !== length) continue;
    end = at;
    break;
  }
  if (end < 0)
    throw new ZipError("The archive is cut off or damaged: its table of contents is not there.");
  let count = tail.getUint16(end + 10, true);
  let size = tail.getUint32(end + 12, true);
  let at = tail.getUint32(end + 16, true);
  if (end >= 20 && tail.getUint32(end - 20, true) === END64_LOCATOR) {
    const record = await viewOf(blob, big(tail, end - 12), 56);
    if (record.getUint32(0, true) !== END64) throw new ZipError("The archive is damaged.");
    count = big(record, 32);
    size = big(record, 40);
    at = big(record, 48);
  }
  return { at, size, count };
}

/** Sizes and offset of an entry, from its ZIP64 field where the 32-bit ones are full. */
function extended(view, start, end, entry) {
  for (let at = start; at + 4 <= end;) {
    const length = view.getUint16(at + 2, true);
    let field = at + 4;
    const last = field + length;
    if (last > end) break;
    if (view.getUint16(at, true) === 1) {
      for (const name of ["size", "packed", "offset"]) {
        if (entry[name] !== FULL) continue;
        if (field + 8 > last) throw new ZipError("The archive is damaged.");
        entry[name] = big(view, field);
        field += 8;
      }
    }
    at = last;
  }
}

function nameOf(view, at, length, flags) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, length);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder(flags & 0x800 ? "utf-8" : "windows-1252").decode(bytes);
  }
}

function inDirectory(view, count) {
  const entries = [];
  let at = 0;
  for (let number = 0; number < count; number += 1) {
    if (at + 46 > view.byteLength || view.getUint32(at, true) !== ENTRY) {
      throw new ZipError("The archive is damaged: its table of contents does not fit.");
    }
    const flags = view.getUint16(at + 8, true);
    const nameLength = view.getUint16(at + 28, true);
    const extra = at + 46 + nameLength;
    const comment = extra + view.getUint16(at + 30, true);
    const next = comment + view.getUint16(at + 32, true);
    if (next > view.byteLength) throw new ZipError("The archive is damaged.");
    const entry = {
      name: nameOf(view, at + 46, nameLength, flags),
      encrypted: (flags & 1) !== 0,
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      offset: view.getUint32(at + 42, true),
    };
    extended(view, extra, comment, entry);
    entries.push(entry);
    at = next;
  }
  return entries;
}

/** Entries that share bytes are how a small archive claims to be a huge one. */
function refuseOverlaps(entries) {
  const ordered = [...entries].sort((a, b) => a.offset - b.offset);
  for (let at = 1; at < ordered.length; at += 1) {
    const before = ordered[at - 1];
    if (before.offset + 30 + before.packed > ordered[at].offset) {
      throw new ZipError(
        "The archive is refused: parts of it overlap, as in an archive made to do harm.",
      );
    }
  }
}

/** The files in an archive, in its order; folders are left out. Raises ZipError. */
export async function directory(blob, limits = LIMITS) {
  const { at, size, count } = await placeOf(blob);
  if (count > limits.entries) {
    throw new ZipError(`The archive is refused: it has more than ${limits.entries} files.`);
  }
  if (size > limits.directory)
    throw new ZipError("The archive is damaged: its table of contents is too long.");
  const entries = inDirectory(await viewOf(blob, at, size), count);
  refuseOverlaps(entries);
  const total = entries.reduce((sum, entry) => sum + entry.size, 0);
  if (total > limits.total || (total > limits.free && total > limits.ratio * blob.size)) {
    throw new ZipError("The archive is refused: it would unpack to far more than it should.");
  }
  return entries.filter((entry) => !entry.name.endsWith("/"));
}

/** Why an entry cannot be unpacked, or "". */
export function obstacle(entry) {
  if (entry.encrypted) return "It is protected by a password.";
  if (entry.method !== STORED && entry.method !== DEFLATED)
    return "It is packed in a way that browsers cannot unpack.";
  return "";
}

const TABLE = new Uint32Array(256).map((_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(before, bytes) {
  let crc = before;
  for (let at = 0; at < bytes.length; at += 1) crc = TABLE[(crc ^ bytes[at]) & 255] ^ (crc >>> 8);
  return crc;
}

async function packedOf(blob, entry) {
  const head = await viewOf(blob, entry.offset, 30);
  if (head.getUint32(0, true) !== LOCAL) throw new ZipError("The archive is damaged.");
  const start = entry.offset + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  if (start + entry.packed > blob.size) throw new ZipError("The archive is cut off.");
  return blob.slice(start, start + entry.packed);
}

/**
 * The chunks of an entry unpacked. Counted as they come: what is more than the archive's own word
 * ends it, whatever the word was. With `upTo`, ends quietly after so many bytes.
 */
async function* chunks(blob, entry, upTo = Infinity) {
  const why = obstacle(entry);
  if (why) throw new ZipError(why);
  const packed = await packedOf(blob, entry);
  const stream =
    entry.method === STORED
      ? packed.stream()
      : packed.stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.getReader();
  let length = 0;
  let crc = FULL;
  try {
    while (length < upTo) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > entry.size) throw new ZipError("It unpacks to more than the archive says.");
      if (upTo === Infinity) crc = crc32(crc, value);
      yield value;
    }
  } catch (error) {
    if (error instanceof ZipError) throw error;
    throw new ZipError("It is damaged in the archive.");
  } finally {
    reader.cancel().catch(() => undefined);
  }
  if (upTo === Infinity && (length !== entry.size || (crc ^ FULL) >>> 0 !== entry.crc)) {
    throw new ZipError("It is damaged in the archive: its checksum does not fit.");
  }
}

/** The first bytes of an entry, at least `length` where it has so many. */
export async function beginning(blob, entry, length) {
  const parts = [];
  for await (const chunk of chunks(blob, entry, length)) parts.push(chunk);
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** An entry whole, as a Blob. Raises ZipError, also where its checksum does not fit. */
export async function unpacked(blob, entry) {
  const parts = [];
  for await (const chunk of chunks(blob, entry)) parts.push(chunk);
  return new Blob(parts);
}
