/** The drawer of the marked study. It never shows one patient beside another's marked row. */
import { toLogin } from "../app/login.js";
import { toast } from "../app/toasts.js";
import * as list from "./list.js";
import { openNotes } from "./reading.js";

const PAUSE = 150;
let study = null;
let timer = 0;
let asked = 0;

const drawer = () => list.element("preview");
const body = () => list.element("preview-body");
const marked = () => document.querySelector("tr.is-current");

function say(text, { retry = false } = {}) {
  const words = document.createElement("p");
  words.className = retry ? "notice notice-stat" : "muted";
  words.setAttribute("role", retry ? "alert" : "status");
  words.textContent = text;
  body().replaceChildren(words);
  if (!retry) return;
  const again = document.createElement("button");
  again.type = "button";
  again.className = "button";
  again.textContent = "Try again";
  again.addEventListener("click", () => load(study));
  body().append(again);
}

/** A picture that cannot be shown is said, not left as a hole. */
function watchPictures() {
  for (const picture of body().querySelectorAll("img")) {
    picture.addEventListener("error", () => {
      const words = document.createElement("span");
      words.className = "preview-none";
      words.textContent = "No picture";
      picture.replaceWith(words);
    });
  }
}

async function load(wanted) {
  const own = ++asked;
  say("Loading…");
  try {
    const answer = await fetch(`/studies/${wanted}/preview/`, {
      headers: { ...list.background(), "HX-Request": "true" },
    });
    if (own !== asked) return;
    if (answer.status === 401) return void toLogin();
    if (answer.status === 404) return void say("This study is no longer shown to you.");
    if (!answer.ok) {
      return void say(`The portal answered with an error (${answer.status}).`, { retry: true });
    }
    const text = await answer.text();
    if (own !== asked) return;
    const parsed = new DOMParser().parseFromString(text, "text/html");
    body().replaceChildren(...document.importNode(parsed.body, true).childNodes);
    body().scrollTop = 0;
    watchPictures();
  } catch {
    if (own === asked) say("The portal could not be reached.", { retry: true });
  }
}

function follow() {
  if (drawer().hidden) return;
  const now = marked()?.dataset.study ?? null;
  if (now === study) return;
  study = now;
  asked += 1;
  clearTimeout(timer);
  if (!study) return say("Choose a study with the arrow keys.");
  say("Loading…");
  timer = setTimeout(() => load(study), PAUSE);
}

function close() {
  drawer().hidden = true;
  study = null;
  asked += 1;
  clearTimeout(timer);
  body().replaceChildren();
  if (marked()) list.linkOf(marked()).focus({ preventScroll: true });
}

/** Opens the drawer of the marked study, or closes it. */
export function togglePreview() {
  if (!drawer().hidden) return close();
  if (!marked()) return toast("Choose a study first, with the arrow keys.");
  drawer().hidden = false;
  return follow();
}

export function watchPreview() {
  list.element("preview-close").addEventListener("click", close);
  body().addEventListener("click", (event) => {
    if (!event.target.closest("[data-preview-notes]")) return;
    const row = list.rowsOf(study)[0];
    if (row) openNotes(row);
  });
  new MutationObserver(follow).observe(list.element("content"), {
    attributes: true,
    attributeFilter: ["class"],
    childList: true,
    subtree: true,
  });
}
