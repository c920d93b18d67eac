/** Reads headers and unpacks archives beside the page, so that the page stays quick. */
import { FIRST, headerOf, MOST, NeedMore } from "./header.js";
import { beginning, directory, obstacle, unpacked, ZipError } from "./zip.js";

async function headerOfItem({ blob, entry }) {
  if (entry && obstacle(entry)) return { left: obstacle(entry) };
  const size = entry ? entry.size : blob.size;
  for (let length = FIRST; ; length *= 8) {
    const bytes = entry
      ? await beginning(blob, entry, length)
      : new Uint8Array(await blob.slice(0, length).arrayBuffer());
    try {
      return await headerOf(bytes, bytes.length >= size || length > MOST);
    } catch (error) {
      if (!(error instanceof NeedMore)) throw error;
    }
  }
}

function wordsOf(error) {
  return error instanceof ZipError ? error.message : "The file cannot be read.";
}

const TASKS = {
  directory: ({ blob }) => directory(blob),
  unpack: ({ blob, entry }) => unpacked(blob, entry),
  headers: ({ items }) =>
    Promise.all(
      items.map((item) => headerOfItem(item).catch((error) => ({ left: wordsOf(error) }))),
    ),
};

self.addEventListener("message", async ({ data: { id, task, ...given } }) => {
  try {
    self.postMessage({ id, answer: await TASKS[task](given) });
  } catch (error) {
    self.postMessage({ id, trouble: wordsOf(error) });
  }
});
