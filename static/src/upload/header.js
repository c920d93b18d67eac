/** What a DICOM header says that a technician checks before sending (PS3.10 7, PS3.3 C.7). */
import dicomParser from "dicom-parser";
import { decoded } from "./charset.js";

/** So much of a file is read first; the rest only where the header is longer. */
export const FIRST = 64 * 1024;
export const MOST = 16 * 2 ** 20;

const MEDIA_DIRECTORY = "1.2.840.10008.1.3.10";
const DEFLATED = "1.2.840.10008.1.2.1.99";
/** Series Instance UID: the last of what is wanted. */
const LAST = "x0020000e";
const TEXTS = {
  patientName: "x00100010",
  patientId: "x00100020",
  birthDate: "x00100030",
  sex: "x00100040",
  studyDate: "x00080020",
  accession: "x00080050",
  modality: "x00080060",
  description: "x00081030",
};
const UIDS = {
  sopClassUid: "x00080016",
  sopInstanceUid: "x00080018",
  studyInstanceUid: "x0020000d",
  seriesInstanceUid: LAST,
};
const LEFT = {
  empty: "The file is empty.",
  other: "Not a DICOM file.",
  directory: "The table of contents of a disc (DICOMDIR): the portal makes its own.",
  damaged: "The header cannot be read.",
  uid: "The header lacks a UID that every image must have.",
};

/** The header goes on behind what was read. */
export class NeedMore extends Error {}

function isDicom(bytes) {
  return (
    bytes.length >= 132 &&
    bytes[128] === 0x44 &&
    bytes[129] === 0x49 &&
    bytes[130] === 0x43 &&
    bytes[131] === 0x4d
  );
}

async function inflated(bytes) {
  const reader = new Blob([bytes])
    .stream()
    .pipeThrough(new DecompressionStream("deflate-raw"))
    .getReader();
  const parts = [];
  let length = 0;
  try {
    while (length < MOST) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      length += value.length;
    }
  } catch {
    // What was read ends in the middle of the stream: its beginning is enough.
  }
  reader.cancel().catch(() => undefined);
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function parsed(bytes, whole) {
  try {
    const meta = dicomParser.readPart10Header(bytes);
    const syntax = meta.string("x00020010");
    if (meta.string("x00020002") === MEDIA_DIRECTORY) return { elements: {}, isDirectory: true };
    if (syntax === DEFLATED) {
      const rest = await inflated(bytes.subarray(meta.position));
      const stream = new dicomParser.ByteStream(dicomParser.littleEndianByteArrayParser, rest);
      const found = new dicomParser.DataSet(stream.byteArrayParser, rest, {});
      read(found, stream, rest.length, true);
      return found;
    }
    const parser =
      syntax === "1.2.840.10008.1.2.2"
        ? dicomParser.bigEndianByteArrayParser
        : dicomParser.littleEndianByteArrayParser;
    const stream = new dicomParser.ByteStream(parser, bytes, meta.position);
    const found = new dicomParser.DataSet(parser, bytes, {});
    read(found, stream, bytes.length, syntax !== "1.2.840.10008.1.2");
    return found;
  } catch {
    if (!whole) throw new NeedMore();
    return null;
  }
}

/** Elements up to the last that is wanted; raises where one goes beyond the bytes. */
function read(found, stream, end, explicit) {
  const options = { untilTag: LAST };
  if (explicit) dicomParser.parseDicomDataSetExplicit(found, stream, end, options);
  else dicomParser.parseDicomDataSetImplicit(found, stream, end, options);
}

function bytesOf(dataSet, tag) {
  const element = dataSet.elements[tag];
  return element
    ? dataSet.byteArray.subarray(element.dataOffset, element.dataOffset + element.length)
    : new Uint8Array();
}

/**
 * `{ facts }` of a file's first bytes, or `{ left }`: why it is not sent. `whole`: there is no more of it.
 * Raises NeedMore.
 */
export async function headerOf(bytes, whole) {
  if (bytes.length === 0 && whole) return { left: LEFT.empty };
  if (!isDicom(bytes)) return { left: LEFT.other };
  const dataSet = await parsed(bytes, whole);
  if (dataSet === null) return { left: LEFT.damaged };
  if (dataSet.isDirectory) return { left: LEFT.directory };
  const ascii = (tag) => decoded(bytesOf(dataSet, tag), "");
  if (!dataSet.elements[LAST] && !whole) throw new NeedMore();
  const facts = {};
  for (const [name, tag] of Object.entries(UIDS)) facts[name] = ascii(tag);
  if (facts.sopClassUid === MEDIA_DIRECTORY) return { left: LEFT.directory };
  if (!Object.values(facts).every((uid) => /^[0-9.]{1,64}$/.test(uid))) return { left: LEFT.uid };
  const characterSets = ascii("x00080005");
  for (const [name, tag] of Object.entries(TEXTS)) {
    facts[name] = decoded(bytesOf(dataSet, tag), characterSets);
  }
  return { facts };
}
