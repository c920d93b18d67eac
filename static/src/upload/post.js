/** The requests of the upload desk. */
import { whoseHeaders } from "../app/csrf.js";

const STALLED = 120_000;
/** A file above this is sent unread, without its digest: browsers digest only what is in memory. */
const DIGESTED = 512 * 2 ** 20;
const KEPT = 32 * 2 ** 20;

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What is sent of a Blob: `{ body, sha256 }`. Raises where it can no longer be read. */
export async function contentOf(blob) {
  // Web Crypto is there only by https and on the machine itself.
  if (blob.size > DIGESTED || !globalThis.crypto?.subtle) {
    await blob.slice(Math.max(0, blob.size - 1)).arrayBuffer();
    return { body: blob, sha256: "" };
  }
  const bytes = await blob.arrayBuffer();
  const sha256 = hex(await crypto.subtle.digest("SHA-256", bytes));
  return { body: bytes.byteLength > KEPT ? blob : bytes, sha256 };
}

/** `post` of a Sender. `settings()`: `{ site, prior }`. */
export function posting(settings) {
  return (_item, { body, sha256 }, progress) =>
    new Promise((resolve) => {
      const { site, prior } = settings();
      const request = new XMLHttpRequest();
      let timer = 0;
      const alive = () => {
        clearTimeout(timer);
        timer = setTimeout(() => request.abort(), STALLED);
      };
      const done = () => {
        clearTimeout(timer);
        let answer = null;
        try {
          answer = JSON.parse(request.responseText);
        } catch {
          // A page of something in between, or nothing: the status says what to do.
        }
        resolve({ status: request.status, body: answer });
      };
      request.open("POST", "/api/dicom/upload");
      request.setRequestHeader("Content-Type", "application/dicom");
      for (const [name, value] of Object.entries(whoseHeaders()))
        request.setRequestHeader(name, value);
      request.setRequestHeader("X-Lightbox-Site", site);
      request.setRequestHeader("X-Lightbox-As-Prior", prior ? "1" : "0");
      if (sha256) request.setRequestHeader("X-Content-SHA256", sha256);
      request.upload.addEventListener("progress", ({ loaded }) => {
        alive();
        progress(loaded);
      });
      request.addEventListener("loadend", done);
      alive();
      request.send(body);
    });
}

/** The portal's word on what would be sent. Raises an Error with `status`, 0 for no answer. */
export async function asked(question) {
  let answer;
  try {
    answer = await fetch("/api/upload/check/", {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        ...whoseHeaders(),
        "X-Background": "1",
      },
      body: JSON.stringify(question),
      signal: AbortSignal.timeout(60_000),
    });
    if (answer.ok) return await answer.json();
  } catch {
    answer = { status: 0 };
  }
  throw Object.assign(new Error("no answer"), { status: answer.status });
}
