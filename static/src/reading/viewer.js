/** Reading in the viewer: its notes, that the reader is at work, and that the study was taken away. */
import { tellLost } from "./lost.js";
import { watchNotesDialog } from "./notes.js";
import { seen } from "./requests.js";

const SEEN_EVERY = 60_000;
const LOST = "reading.lost";

/**
 * Starts reading on the page of a study; `isReading` says whether the person has claimed it.
 *
 * While the person works here the claim does not run out. Returns what is to be told of the page's
 * events: it shows a loss, also one from before the socket was open.
 */
export function watchReading({ study, notes, isReading }) {
  let reading = isReading;
  let saidAt = 0;

  function lose(message) {
    if (message.study === study) reading = false;
    tellLost(message);
  }

  async function say() {
    if (!reading) return;
    saidAt = Date.now();
    const { status } = await seen(study);
    if (status === 409 && reading) lose({ type: LOST, study });
  }

  if (notes) watchNotesDialog(notes, () => study);
  for (const kind of ["keydown", "pointerdown", "pointermove", "wheel"]) {
    document.addEventListener(
      kind,
      (event) => event.isTrusted && Date.now() - saidAt >= SEEN_EVERY && say(),
      { capture: true, passive: true },
    );
  }
  return (message) => {
    if (message.type === LOST) lose(message);
    else if (message.type === "hello") say();
  };
}
