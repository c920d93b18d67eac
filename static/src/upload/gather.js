/** The files of what was dropped or chosen, folders walked through, archives opened. */
import { directoryOf, ReadingError } from "./reader.js";

const isArchive = (name) => /\.zip$/i.test(name);

function entriesOf(reader) {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

async function* walked(entry, path) {
  const name = path + entry.name;
  if (entry.isFile) {
    try {
      yield { name, file: await fileOf(entry) };
    } catch {
      yield { name, file: null };
    }
    return;
  }
  const reader = entry.createReader();
  // A folder is handed out a hundred entries at a time.
  for (;;) {
    let some;
    try {
      some = await entriesOf(reader);
    } catch {
      yield { name, file: null };
      return;
    }
    if (some.length === 0) return;
    for (const one of some) yield* walked(one, `${name}/`);
  }
}

/** What was dropped; to be called within the event, after which the browser forgets it. */
export function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = entries.length > 0 ? [] : [...transfer.files];
  return (async function* all() {
    for (const entry of entries) yield* walked(entry, "");
    for (const file of files) yield { name: file.name, file };
  })();
}

/** What a file input holds. */
export async function* chosen(files) {
  for (const file of files) yield { name: file.webkitRelativePath || file.name, file };
}

async function* inArchive(name, file) {
  let entries;
  try {
    entries = await directoryOf(file);
  } catch (error) {
    if (!(error instanceof ReadingError)) throw error;
    yield { name, size: file.size, blob: file, left: error.message };
    return;
  }
  if (entries.length === 0)
    yield { name, size: file.size, blob: file, left: "The archive is empty." };
  for (const entry of entries) {
    yield {
      name: `${name} › ${entry.name}`,
      size: entry.size,
      blob: file,
      entry,
      ...(isArchive(entry.name) && { left: "An archive within an archive is not opened." }),
    };
  }
}

/** `{ name, size, blob, entry?, left? }` of every file; `left` says why one is not sent. */
export async function* gathered(found) {
  for await (const { name, file } of found) {
    if (file === null) yield { name, size: 0, blob: null, left: "The file cannot be read." };
    else if (isArchive(name)) yield* inArchive(name, file);
    else yield { name, size: file.size, blob: file };
  }
}
