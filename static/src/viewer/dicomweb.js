import { Tag } from "./tags.js";

/** What went wrong, as far as the reader is concerned. */
export class RequestError extends Error {
  /** @param {"session" | "missing" | "refused" | "network" | "server" | "broken"} kind */
  constructor(kind, status = 0) {
    super(kind);
    this.kind = kind;
    this.status = status;
  }
}

/** The kind of failure that an HTTP status stands for. */
export function kindOfStatus(status) {
  if (status === 401 || status === 403) return "session";
  if (status === 404 || status === 410) return "missing";
  if (status === 406 || status === 415) return "refused";
  return status === 0 ? "network" : "server";
}

/** What the server answers, whatever that is. RequestError where it does not. */
export async function answer(url, accept, { background = false, signal } = {}) {
  try {
    return await fetch(url, {
      credentials: "same-origin",
      headers: { Accept: accept, ...(background && { "X-Background": "1" }) },
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestError("network");
  }
}

/** Fetches with the session; answers that are a login page count as an ended session. */
export async function request(url, accept, options) {
  const response = await answer(url, accept, options);
  if (!response.ok) throw new RequestError(kindOfStatus(response.status), response.status);
  const type = response.headers.get("Content-Type") ?? "";
  if (response.redirected || type.startsWith("text/html")) throw new RequestError("session", 401);
  return response;
}

async function json(url, accept, options) {
  const response = await request(url, accept, options);
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestError("broken", response.status);
  }
}

/** The page's own facts, fresh: series and counts may have grown. */
export function pageState(url) {
  return json(url, "application/json", { background: true });
}

export function createClient({ root, studyUID }) {
  const study = `${root}/studies/${studyUID}`;
  const ofSeries = (seriesUID) => `${study}/series/${seriesUID}`;

  return {
    /** DICOM JSON of every instance of a series, palettes included. */
    async seriesMetadata(seriesUID, options) {
      const url = `${ofSeries(seriesUID)}/metadata`;
      const instances = await json(url, "application/dicom+json", options);
      if (!Array.isArray(instances)) throw new RequestError("broken", 200);
      await Promise.all(instances.map((instance) => fillPalette(instance, url, options)));
      return instances;
    },
    /** Of a document as the server renders it. */
    documentURL: (seriesUID, sop) => `${ofSeries(seriesUID)}/instances/${sop}/rendered`,
    /** Of a small picture of an instance, or of one of its frames. */
    thumbnailURL({ series, sop, frame }) {
      const url = `${ofSeries(series)}/instances/${sop}`;
      return `${url}${frame ? `/frames/${frame}` : ""}/thumbnail`;
    },
    /** Of several frames of an instance. */
    framesURL: (series, sop, numbers) =>
      `${ofSeries(series)}/instances/${sop}/frames/${numbers.join(",")}`,
    /** Of a frame's pixels, or of the picture that the server makes of it. */
    frameURL(seriesUID, { sopInstanceUID, frame, byServer }) {
      const url = `${ofSeries(seriesUID)}/instances/${sopInstanceUID}/frames/${frame}`;
      return byServer ? `${url}/rendered` : url;
    },
  };
}

/** Bytes that the metadata only point to. */
export async function bulkBytes(uri, options) {
  const response = await request(
    new URL(uri, location.href),
    'application/octet-stream, multipart/related; type="application/octet-stream"',
    options,
  );
  return firstPart(
    new Uint8Array(await response.arrayBuffer()),
    response.headers.get("Content-Type") ?? "",
  );
}

/** Palettes may come as BulkDataURI; the pictures need them as bytes. */
async function fillPalette(instance, base, options) {
  const tags = [Tag.RedPaletteData, Tag.GreenPaletteData, Tag.BluePaletteData];
  for (const tag of tags) {
    const uri = instance[tag]?.BulkDataURI;
    if (!uri || instance[tag].InlineBinary) continue;
    const bytes = await bulkBytes(new URL(uri, new URL(base, location.href)), options);
    instance[tag].InlineBinary = btoa(
      Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""),
    );
  }
}

/** Bytes of the first part of a multipart/related body; other bodies are returned whole. */
export function firstPart(body, contentType) {
  if (!/^multipart\//i.test(contentType)) return body;
  const boundary = /boundary="?([^";]+)"?/i.exec(contentType)?.[1];
  const latin = new TextDecoder("latin1").decode(body);
  const start = latin.indexOf("\r\n\r\n");
  const end = boundary ? latin.indexOf(`\r\n--${boundary}`, start + 4) : -1;
  if (start < 0 || end < 0) throw new RequestError("broken", 200);
  return body.subarray(start + 4, end);
}
