/**
 * Priors of the patient in the rail: `o` goes there, Enter opens a report beside, `c` the images in the active
 * viewport, `v` the study in this window.
 */
import { toLogin } from "../app/login.js";
import { make } from "./dom.js";

const byId = (id) => document.getElementById(id);

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
 * Fills the list of the study `studyId`; `focus()` goes to it.
 *
 * @param {number} studyId
 * @param {object} on `compare(prior)`: shows the study in the active viewport; `drag(event, prior)`
 */
export function watchPriors(studyId, on) {
  const list = byId("priors-list");
  const beside = byId("beside");
  const text = byId("beside-text");
  let from;

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
  }

  function close() {
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
    text.replaceChildren(make("p", { id: "beside-title", text: "Loading…" }));
    beside.hidden = false;
    beside.focus();
    try {
      const body = await fetchText(url);
      if (body) text.replaceChildren(...body.childNodes);
    } catch {
      say("The report could not be loaded.", () => show(url));
    }
  }

  function open(option) {
    from = option;
    mark(option);
    const { textUrl, imagesUrl } = option.dataset;
    if (textUrl) show(textUrl);
    else if (imagesUrl) {
      text.replaceChildren(
        make("p", { id: "beside-title", text: "This study has no report." }),
        make("p", {
          className: "muted",
          text: "Press C in the list for its images in the active viewport, V for the study alone.",
        }),
      );
      beside.hidden = false;
      beside.focus();
    }
  }

  async function load() {
    try {
      const body = await fetchText(`/studies/${studyId}/priors/`);
      if (!body) return;
      list.replaceChildren(...body.childNodes);
      const first = options()[0];
      if (first) first.tabIndex = 0;
      for (const each of options()) each.draggable = Boolean(each.dataset.study);
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
    if (study) on.drag(event, Number(study));
  });
  list.addEventListener("keydown", (event) => {
    const option = event.target.closest("[role=option]");
    if (!option || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = options();
    const at = all.indexOf(option);
    const places = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 };
    if (event.key === "Enter") open(option);
    else if (event.key.toLowerCase() === "v" && option.dataset.imagesUrl) {
      location.assign(option.dataset.imagesUrl);
    } else if (event.key.toLowerCase() === "c" && option.dataset.study) {
      on.compare(Number(option.dataset.study));
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
  });
  // Before the viewer's own keys: Escape would reset the images.
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Escape" || beside.hidden || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      event.stopPropagation();
      close();
    },
    { capture: true },
  );
  byId("beside-close").addEventListener("click", close);
  load();

  return {
    /** Goes to the list of priors. */
    focus() {
      const all = options();
      const chosen = all.find((each) => each.getAttribute("aria-selected") === "true") ?? all[0];
      if (chosen) mark(chosen);
    },
  };
}
