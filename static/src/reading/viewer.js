/** Reading in the viewer: its notes, and that the reader is at work. */
import { watchNotesDialog } from "./notes.js";
import { seen } from "./requests.js";

const SEEN_EVERY = 60_000;
const KINDS = ["keydown", "pointerdown", "pointermove", "wheel"];

/** While a person works on the page of a study that they read, its claim does not run out. */
function watchPresence(study) {
  const options = { capture: true, passive: true };
  let saidAt = 0;
  async function say(event) {
    if (!event.isTrusted || Date.now() - saidAt < SEEN_EVERY) return;
    saidAt = Date.now();
    const { status } = await seen(study);
    // Another reads it now: nothing is kept any more.
    if (status === 409) for (const kind of KINDS) document.removeEventListener(kind, say, options);
  }
  for (const kind of KINDS) document.addEventListener(kind, say, options);
}

/** Starts reading on the page of a study; `isReading` says whether the person has claimed it. */
export function watchReading({ study, notes, isReading }) {
  if (notes) watchNotesDialog(notes, () => study);
  if (isReading) watchPresence(study);
}
