import { LiveSocket } from "../worklist/socket.js";
import { pageState } from "./dicomweb.js";
import { plural } from "./wording.js";

/** How many instances `fresh` has more than `known`. */
export function newInstances(known, fresh) {
  const total = (series) => series.reduce((sum, { count }) => sum + count, 0);
  return Math.max(0, total(fresh) - total(known));
}

/**
 * Offers images that arrived after the page was opened. They are never put under the reader's hand: a
 * button says how many there are. `onEvent(message)` is told of every event of the socket.
 */
export function watchLate(button, { studyId, stateURL, known, onLoad, onEvent }) {
  let fresh;
  let timer = 0;
  let asking = false;
  let dirty = false;

  async function look() {
    if (asking) {
      dirty = true;
      return;
    }
    asking = true;
    dirty = false;
    try {
      const state = await pageState(stateURL);
      const count = newInstances(known(), state.series);
      fresh = count ? state : undefined;
      button.hidden = !count;
      button.textContent = `${plural(count, "new image")} - load`;
    } catch {
      // What the reader has stays usable; the next event asks again.
    } finally {
      asking = false;
      if (dirty) soon();
    }
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(look, 700);
  }

  button.addEventListener("click", () => {
    if (!fresh) return;
    const state = fresh;
    fresh = undefined;
    button.hidden = true;
    onLoad(state);
  });

  let wasLost = false;
  new LiveSocket(() => "/ws/worklist/", {
    onMessage(message) {
      onEvent?.(message);
      const about = ["study.received", "study.changed", "study.complete"].includes(message.type);
      if ((about && message.study === studyId) || message.type === "refetch") soon();
    },
    onStatus(status) {
      if (status === "live" && wasLost) soon();
      wasLost = status !== "live";
    },
    onFailure() {},
  });
}
