/** The report beside the images: opened and closed, resized, told what was left on the images. */
import { make, write } from "./dom.js";

const NARROWEST = 340;
const STEP = 24;
const SAID_FOR = 6000;

/** The width that a panel may have beside the images, in CSS pixels. */
export function fitting(width, available) {
  return Math.round(Math.max(NARROWEST, Math.min(width, Math.max(NARROWEST, available * 0.6))));
}

/**
 * @param {HTMLElement | null} root the panel; null for who sees no reports
 * @param {object} options
 * @param {object} options.annotations
 * @param {(place: object) => void} options.show
 * @param {() => void} options.toPriors
 */
export function createReportSide(root, { annotations, show, toPriors }) {
  const status = document.getElementById("marking-status");
  let timer;
  function say(words) {
    write(status, words);
    clearTimeout(timer);
    timer = setTimeout(() => write(status, ""), SAID_FOR);
  }
  if (!root) {
    const nothing = () => {};
    return {
      begin: nothing,
      toggle: nothing,
      say,
      keyImageKept: nothing,
      measurementRemoved: nothing,
      mayAnnotate: () => false,
    };
  }

  const body = root.parentElement;
  const button = document.getElementById("report-open");
  const toImages = () => {
    document.activeElement?.blur?.();
    document.querySelector(".thumb[aria-selected=true]")?.focus({ preventScroll: true });
  };
  let panel;
  let loading;

  /** The editor is large: the images do not wait for it. */
  function loaded() {
    loading ??= import("../reports/panel.js").then(({ createPanel }) => {
      panel = createPanel({ role: "viewer", annotations, show, toImages, toPriors });
      return panel;
    });
    return loading;
  }

  function setWidth(width) {
    const fits = fitting(width, body.clientWidth);
    root.style.setProperty("--report-width", `${fits}px`);
    grip.setAttribute("aria-valuenow", String(fits));
    grip.setAttribute("aria-valuemax", String(fitting(1e6, body.clientWidth)));
  }

  const grip = make("div", {
    className: "report-grip",
    role: "separator",
    tabindex: "0",
    "aria-orientation": "vertical",
    "aria-label": "Width of the report",
    "aria-valuemin": String(NARROWEST),
    "aria-controls": "report",
  });
  root.prepend(grip);
  grip.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: STEP, ArrowRight: -STEP }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    setWidth(root.offsetWidth + by);
  });
  grip.addEventListener("pointerdown", (event) => {
    grip.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  grip.addEventListener("pointermove", (event) => {
    if (!grip.hasPointerCapture(event.pointerId)) return;
    setWidth(root.getBoundingClientRect().right - event.clientX);
  });

  function layOut(isOpen) {
    root.hidden = !isOpen;
    body.classList.toggle("has-report", isOpen);
    button.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) setWidth(root.offsetWidth);
  }

  async function open(options) {
    layOut(true);
    await (await loaded()).start(options);
  }

  async function close() {
    await panel?.settle();
    layOut(false);
    button.focus();
  }

  button.addEventListener("click", () => (root.hidden ? open() : close()));
  document.getElementById("report-close").addEventListener("click", close);
  document.getElementById("report-own-window").addEventListener("click", async () => {
    await loaded();
    if (await panel.settle()) panel.windows.openReport();
  });

  return {
    say,
    mayAnnotate: () => root.dataset.annotates !== undefined,
    /** As the address asks: `?report=1` opens it and begins to write. */
    begin() {
      const asked = new URLSearchParams(location.search).get("report") === "1";
      if (asked) open({ open: true });
      else setTimeout(async () => (await loaded()).look());
    },
    /** Opens it, or goes to it where it is open. */
    toggle: () => (root.hidden ? open() : panel?.start()),
    keyImageKept: (id) => panel?.keyImageKept(id),
    measurementRemoved: (id) => panel?.measurementRemoved(id),
  };
}
