/** The page's side of the worker that reads headers and unpacks archives. */

/** What the worker could not do, in words for a technician. */
export class ReadingError extends Error {
  name = "ReadingError";
}

const worker = new Worker(new URL("./reader.worker.js", import.meta.url), { type: "module" });
const waiting = new Map();
let last = 0;

worker.addEventListener("message", ({ data: { id, answer, trouble } }) => {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (trouble === undefined) resolve(answer);
  else reject(new ReadingError(trouble));
});
worker.addEventListener("error", () => {
  for (const { reject } of waiting.values()) reject(new ReadingError("The file cannot be read."));
  waiting.clear();
});

function ask(task, given) {
  last += 1;
  const id = last;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, task, ...given });
  });
}

/** Entries of an archive. */
export const directoryOf = (blob) => ask("directory", { blob });
/** `{ facts }` or `{ left }` of each of `items`, each `{ blob, entry? }`. */
export const headersOf = (items) => ask("headers", { items });
/** A Blob of an entry. */
export const unpackedOf = (blob, entry) => ask("unpack", { blob, entry });
