/** Reading in the viewer: its notes, that the reader is at work, and that a study was taken away. */
import { watchEvents } from "../worklist/events.js";
import { tellLost } from "./lost.js";
import { watchNotesDialog } from "./notes.js";
import { seen } from "./requests.js";

const SEEN_EVERY = 60_000;

/** While a person works on the page of a study that they read, its claim does not run out. */
function watchPresence(study) {
  let saidAt = 0;
  const say = async (event) => {
    if (!event.isTrusted || Date.now() - saidAt < SEEN_EVERY) return;
    saidAt = Date.now();
    await seen(study);
  };
  for (const kind of ["keydown", "pointerdown", "pointermove", "wheel"]) {
    document.addEventListener(kind, say, { capture: true, passive: true });
  }
}

/** Starts reading on the page of a study; `isReader` says whether the person reads at its site. */
export function watchReading({ study, notes, isReader }) {
  if (notes) watchNotesDialog(notes, () => study);
  if (!isReader) return;
  watchPresence(study);
  watchEvents({ onEvent: tellLost, again() {} });
}
