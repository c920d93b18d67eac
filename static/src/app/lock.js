/**
 * The cover of a locked session: nothing of the page can be read, heard or pressed behind it, and nothing
 * of it is lost. All pages of the browser lock and unlock together.
 */
import { pageUser, whoseHeaders } from "./csrf.js";
import { isHeld } from "./holding.js";

const CHANNEL = "lightbox-session";
const TITLE = "Locked · Lightbox PACS";
const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANNEL);
// In Node, where the tests run, an open one would keep the process.
channel?.unref?.();

let dialog = null;
let title = "";
let whose = "";

function make(tag, properties = {}, ...content) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...content);
  return made;
}

export function isLocked() {
  return dialog !== null;
}

/**
 * What the portal says of the session: `{ seconds_left, locked, user, name }`; null where there is none.
 * With `isOther` it is somebody else's than this page: the page is covered, and stays so.
 */
export async function sessionState() {
  const answer = await fetch("/session/state/", { headers: { "X-Background": "1" } });
  if (answer.status === 401) return null;
  if (!answer.ok) throw new Error("no answer");
  const state = await answer.json();
  if (state.user === pageUser()) {
    whose = state.name;
    return state;
  }
  coverFrom(state.name);
  return { ...state, isOther: true };
}

function say(text) {
  const words = dialog.querySelector("#lock-problem");
  words.textContent = text;
  words.hidden = !text;
}

async function unlock(field) {
  const button = dialog.querySelector("#lock-unlock");
  button.disabled = true;
  try {
    const answer = await fetch("/session/unlock/", {
      method: "POST",
      headers: { "X-CSRFToken": whoseHeaders()["X-CSRFToken"] },
      body: new URLSearchParams({ password: field.value }),
    });
    if (answer.ok) {
      const state = await sessionState();
      if (!state || state.isOther) return;
      channel?.postMessage("unlocked");
      uncover();
      return;
    }
    if (answer.status === 401) return over();
    const { detail } = await answer.json();
    say(detail);
  } catch {
    say("The portal cannot be reached. Try again.");
  } finally {
    button.disabled = false;
    field.value = "";
    if (dialog) field.focus();
  }
}

function built(name) {
  const field = make("input", {
    type: "password",
    id: "lock-password",
    className: "field",
    autocomplete: "current-password",
    required: true,
  });
  const form = make(
    "form",
    {},
    make("h2", { id: "lock-title", textContent: "Locked" }),
    make(
      "p",
      {},
      "Nothing was lost. ",
      make("bdi", { textContent: name }),
      " goes on with the password.",
    ),
    make("p", { id: "lock-problem", className: "notice notice-stat", role: "alert", hidden: true }),
    make("label", { htmlFor: "lock-password", textContent: "Password" }),
    field,
    make("button", {
      type: "submit",
      id: "lock-unlock",
      className: "button button-primary",
      textContent: "Unlock",
    }),
    make("button", {
      type: "button",
      id: "lock-logout",
      className: "button",
      textContent: "Log out",
    }),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    unlock(field);
  });
  form.querySelector("#lock-logout").addEventListener("click", logOut);
  return boxOf(form);
}

function boxOf(form) {
  const box = make("dialog", { id: "lock" }, form);
  box.setAttribute("aria-labelledby", "lock-title");
  box.addEventListener("cancel", (event) => event.preventDefault());
  box.addEventListener("close", () => box === dialog && box.showModal());
  return box;
}

/** Nobody is logged in any more. What would be lost stays covered until its person is back. */
function over() {
  if (!isHeld()) return location.assign("/login/");
  return say(
    "The session is over. Log in in another tab of this browser: what this page holds is saved then.",
  );
}

async function logOut() {
  const button = dialog.querySelector("#lock-logout");
  if (isHeld() && !button.dataset.sure) {
    button.dataset.sure = "1";
    button.textContent = "Log out and lose it";
    say("Something on this page is not saved yet. Unlock it first, or it is lost.");
    return;
  }
  try {
    const headers = { "X-CSRFToken": whoseHeaders()["X-CSRFToken"] };
    await fetch("/logout/", { method: "POST", headers });
    channel?.postMessage("over");
    location.assign("/login/");
  } catch {
    say("The portal cannot be reached. Try again.");
  }
}

/** The cover while somebody else is logged in: nothing here is unlocked by them. */
function builtFrom(name) {
  const leave = make("button", {
    type: "button",
    id: "lock-leave",
    className: "button",
    textContent: "Leave this page",
  });
  leave.addEventListener("click", () => location.assign("/"));
  const form = make(
    "form",
    {},
    make("h2", { id: "lock-title", textContent: "Another person's page" }),
    make(
      "p",
      {},
      make("bdi", { textContent: name }),
      " is logged in now. This page is of ",
      make("bdi", { textContent: whose || "somebody else" }),
      " and holds something that is not saved yet. It is saved when that person logs in again in this browser.",
    ),
    make("p", { className: "muted", textContent: "Who leaves this page gives it up." }),
    leave,
  );
  form.addEventListener("submit", (event) => event.preventDefault());
  return boxOf(form);
}

function show(box, kind) {
  if (!dialog) {
    document.dispatchEvent(new CustomEvent("session-locked"));
    title = document.title;
  }
  const before = dialog;
  dialog = box;
  dialog.dataset.kind = kind;
  before?.close();
  before?.remove();
  document.title = TITLE;
  // Whatever has the keyboard or is open over the page is under it.
  document.documentElement.dataset.locked = "";
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector("input, button").focus();
}

/** Covers the page. `name`: whose session it is. */
export function cover(name = "You") {
  if (dialog?.dataset.kind !== "locked") show(built(name), "locked");
}

/** Somebody else has logged in: what this page shows and holds is not theirs. */
function coverFrom(name) {
  if (dialog?.dataset.kind === "other") return;
  show(builtFrom(name), "other");
  if (!isHeld()) location.replace("/");
}

/** Shows the page as it was. */
export function uncover() {
  if (!dialog) return;
  const box = dialog;
  dialog = null;
  box.close();
  box.remove();
  document.title = title;
  delete document.documentElement.dataset.locked;
  document.dispatchEvent(new CustomEvent("session-unlocked"));
}

/** Locks this session in all windows, now. */
export async function lockNow() {
  const answer = await fetch("/session/lock/", {
    method: "POST",
    headers: { "X-CSRFToken": whoseHeaders()["X-CSRFToken"] },
  });
  if (answer.ok) channel?.postMessage("locked");
  return answer.ok;
}

/** `check()`: asks the portal how the session is, and covers or uncovers. */
export function watchLock(check) {
  channel?.addEventListener("message", ({ data }) => {
    if (data === "over" && !isHeld()) location.assign("/login/");
    else if (data === "over" || data === "locked") cover();
    if (data?.user !== pageUser() || isLocked()) check();
  });
  // Pages of somebody else cover themselves.
  channel?.postMessage({ user: pageUser() });
  // The page's own keys do nothing behind the cover.
  for (const kind of ["keydown", "keyup", "keypress", "paste", "wheel"]) {
    addEventListener(
      kind,
      (event) => {
        if (isLocked()) event.stopImmediatePropagation();
      },
      { capture: true },
    );
  }
}
