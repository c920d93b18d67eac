/** Priors of the patient as a list, with their reports beside: beside the images and beside the text. */
import { toLogin } from "../app/login.js";
import { make } from "./dom.js";

const byId = (id) => document.getElementById(id);
/** A report that is only passed with the arrow keys is not asked for, in milliseconds. */
const PASSING = 150;

async function fetchText(url) {
  const answer = await fetch(url, { headers: { "HX-Request": "true" } });
  if (answer.status === 401) {
    toLogin();
    return undefined;
  }
  if (!answer.ok) throw new Error(`${answer.status}`);
  return document.importNode(
    new DOMParser().parseFromString(await answer.text(), "text/html").body,
    true,
  );
}

/**
 * Fills the list of the study `studyId`. Enter opens the report that is marked, `v` its images.
 *
 * @param {number} studyId
 * @param {object} [options]
 * @param {boolean} [options.follows] the report of what is marked is shown at once, the list keeps the
 *   focus, and Escape leaves the report's text for the list and the list by `leave`
 * @param {(url: string) => void} [options.openImages]
 * @param {(prior: number) => void} [options.compare] shows the study in the active viewport: `c`
 * @param {(event: DragEvent, prior: number) => void} [options.drag]
 * @param {() => void} [options.leave]
 * @param {(count: number) => void} [options.filled]
 */
export function watchPriors(
  studyId,
  {
    follows = false,
    openImages = (url) => location.assign(url),
    compare,
    drag,
    leave,
    filled,
  } = {},
) {
  const list = byId("priors-list");
  const beside = byId("beside");
  const text = byId("beside-text");
  let from;
  let wanted;
  let timer;

  function options() {
    return [...list.querySelectorAll("[role=option]")];
  }

  function mark(option) {
    for (const each of options()) {
      each.setAttribute("aria-selected", String(each === option));
      each.tabIndex = each === option ? 0 : -1;
    }
    option.focus();
    option.scrollIntoView({ block: "nearest" });
    if (!follows || option === from) return;
    from = option;
    clearTimeout(timer);
    timer = setTimeout(() => shown(option), PASSING);
  }

  function close() {
    wanted = undefined;
    beside.hidden = true;
    text.replaceChildren();
    (from?.isConnected ? from : list.querySelector("[role=option]"))?.focus();
  }

  function say(words, retry) {
    const note = make("p", { className: "notice notice-stat", role: "alert", text: words });
    const again = make("button", { className: "viewer-button", text: "Try again" });
    again.type = "button";
    again.addEventListener("click", retry);
    text.replaceChildren(note, again);
  }

  async function show(url) {
    wanted = url;
    text.replaceChildren(make("p", { id: "beside-title", text: "Loading…" }));
    beside.hidden = false;
    beside.scrollTop = 0;
    try {
      const body = await fetchText(url);
      // Another one was asked for meanwhile: a text never stands beside another's mark.
      if (!body || wanted !== url) return;
      text.replaceChildren(...body.childNodes);
    } catch {
      if (wanted === url) say("The report could not be loaded.", () => show(url));
    }
  }

  function shown({ dataset: { textUrl, imagesUrl } }) {
    if (textUrl) show(textUrl);
    else if (imagesUrl) {
      wanted = undefined;
      text.replaceChildren(
        make("p", { id: "beside-title", text: "This study has no report." }),
        make("p", {
          className: "muted",
          text: compare
            ? "Press C in the list for its images in the active viewport, V for the study alone."
            : "Press V in the list for its images.",
        }),
      );
      beside.hidden = false;
    }
  }

  function open(option) {
    clearTimeout(timer);
    from = option;
    mark(option);
    shown(option);
    if (!beside.hidden) beside.focus();
  }

  async function load() {
    try {
      const body = await fetchText(`/studies/${studyId}/priors/`);
      if (!body) return;
      list.replaceChildren(...body.childNodes);
      const first = options()[0];
      if (first) first.tabIndex = 0;
      if (drag) for (const each of options()) each.draggable = Boolean(each.dataset.study);
      filled?.(options().length);
    } catch {
      const again = make("button", { className: "viewer-button", text: "Try again" });
      again.type = "button";
      again.addEventListener("click", load);
      list.replaceChildren(
        make("p", { className: "priors-none", text: "The priors could not be loaded." }),
        again,
      );
    }
  }

  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) open(option);
  });
  list.addEventListener("dragstart", (event) => {
    const study = event.target.closest?.("[role=option]")?.dataset.study;
    if (study) drag?.(event, Number(study));
  });
  list.addEventListener("keydown", (event) => {
    const option = event.target.closest("[role=option]");
    if (!option || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = options();
    const at = all.indexOf(option);
    const places = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 };
    if (event.key === "Enter") open(option);
    else if (event.key.toLowerCase() === "v" && option.dataset.imagesUrl) {
      openImages(option.dataset.imagesUrl);
    } else if (compare && event.key.toLowerCase() === "c" && option.dataset.study) {
      compare(Number(option.dataset.study));
    } else if (event.key in places) {
      mark(all[Math.min(all.length - 1, Math.max(0, places[event.key]))]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  beside.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-beside]");
    if (!link) return;
    event.preventDefault();
    show(link.href);
    beside.focus();
  });
  // Before the viewer's own keys: Escape would reset the images.
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
      const inText = beside.contains(event.target);
      if (follows ? !(inText || list.contains(event.target)) : beside.hidden) return;
      event.preventDefault();
      event.stopPropagation();
      if (!follows) close();
      else if (inText) focus();
      else leave();
    },
    { capture: true },
  );
  byId("beside-close")?.addEventListener("click", close);

  function focus() {
    const all = options();
    const chosen = all.find((each) => each.getAttribute("aria-selected") === "true") ?? all[0];
    if (chosen) mark(chosen);
    return Boolean(chosen);
  }
  load();

  /** `focus()` goes to the list of priors; false where it is empty. */
  return { focus };
}
