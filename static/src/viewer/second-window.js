/**
 * The same study in several windows of one browser: a second monitor. Windows tell one another which place
 * they show, and look after the session together.
 */

const name = (studyId) => `lightbox-study-${studyId}`;

/**
 * @param {number} studyId
 * @param {object} on
 * @param {(plane: object) => void} on.place another window shows this place
 */
export function joinWindows(studyId, { place }) {
  const channel = new BroadcastChannel(name(studyId));

  channel.addEventListener("message", ({ data }) => {
    if (data?.kind === "place") place(data.plane);
    // The other may have been logged out: whether this one is, too, is asked at once.
    else if (data?.kind === "left") document.dispatchEvent(new CustomEvent("session-back"));
  });
  window.addEventListener("pagehide", () => channel.postMessage({ kind: "left" }));

  return {
    tellPlace: (plane) => channel.postMessage({ kind: "place", plane }),
    /** A window of its own; one that is open is used again. */
    open() {
      const url = new URL(location.pathname, location.origin);
      url.searchParams.set("window", "second");
      return window.open(url, name(studyId), "popup,width=1280,height=900");
    },
  };
}

/** Whether this page is a second window: the report stays in the first. */
export const isSecond = () => new URLSearchParams(location.search).get("window") === "second";
