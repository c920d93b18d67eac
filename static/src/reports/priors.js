/** Priors beside the report in a window of its own: `Alt P` there and back, the text stays in sight. */
import { watchPriors } from "../viewer/priors.js";
import { write } from "../viewer/dom.js";
import { actionOf } from "./shortcuts.js";

const WIDE = "(min-width: 1200px)";

/** `toggle()` goes from the text to the newest prior's report, and back. */
export function besideReport(studyId) {
  const aside = document.getElementById("report-priors");
  const button = document.getElementById("report-priors-open");
  let from;
  let count = 0;

  function open(isOpen) {
    aside.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
  }

  /** Back to where one wrote. */
  function leave() {
    (from?.isConnected ? from : button).focus({ preventScroll: true });
  }

  const list = watchPriors(studyId, {
    follows: true,
    openImages: (url) => window.open(url, "_blank", "noopener"),
    leave,
    filled(number) {
      count = number;
      write(document.getElementById("report-priors-count"), String(number));
      if (count && matchMedia(WIDE).matches) open(true);
    },
  });

  function toggle() {
    if (aside.contains(document.activeElement)) {
      open(false);
      leave();
      return;
    }
    from = document.activeElement;
    open(true);
    list.focus();
  }

  function close() {
    const held = aside.contains(document.activeElement);
    open(false);
    if (held) leave();
  }

  button.addEventListener("click", () => (aside.hidden ? toggle() : close()));
  document.getElementById("report-priors-close").addEventListener("click", close);
  aside.addEventListener("keydown", (event) => {
    if (actionOf(event) !== "priors") return;
    event.preventDefault();
    event.stopPropagation();
    toggle();
  });
  // The window keeps its text: what is more than a report opens elsewhere.
  aside.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]:not([data-beside])");
    if (link) link.target = "_blank";
  });
  return { toggle };
}
