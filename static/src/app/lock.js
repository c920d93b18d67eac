/**
 * The cover of a locked session: nothing of the page can be read, heard or pressed behind it, and nothing
 * of it is lost. All pages of the browser lock and unlock together.
 */
import { csrfToken } from "./csrf.js";

const CHANNEL = "lightbox-session";
const TITLE = "Locked · Lightbox PACS";
const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANNEL);
// In Node, where the tests run, an open one would keep the process.
channel?.unref?.();

let dialog = null;
let title = "";
let owner = null;

function make(tag, properties = {}, ...content) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...content);
  return made;
}

export function isLocked() {
  return dialog !== null;
}

/** What the portal says of the session: `{ seconds_left, locked, user, name }`; null where there is none. */
export async function sessionState() {
  const answer = await fetch("/session/state/", { headers: { "X-Background": "1" } });
  if (answer.status === 401) return null;
  if (!answer.ok) throw new Error("no answer");
  const state = await answer.json();
  // Somebody else has logged in: what this page shows is not theirs.
  if (owner !== null && owner !== state.user) {
    cover(state.name);
    location.replace("/");
    return null;
  }
  owner = state.user;
  return state;
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
      headers: { "X-CSRFToken": csrfToken() },
      body: new URLSearchParams({ password: field.value }),
    });
    if (answer.ok) {
      if (!(await sessionState())) return;
      channel?.postMessage("unlocked");
      uncover();
      return;
    }
    if (answer.status === 401) return void location.assign("/login/");
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
  const box = make("dialog", { id: "lock" }, form);
  box.setAttribute("aria-labelledby", "lock-title");
  box.addEventListener("cancel", (event) => event.preventDefault());
  box.addEventListener("close", () => isLocked() && box.showModal());
  form.querySelector("#lock-logout").addEventListener("click", logOut);
  return box;
}

async function logOut() {
  try {
    await fetch("/logout/", { method: "POST", headers: { "X-CSRFToken": csrfToken() } });
    channel?.postMessage("over");
    location.assign("/login/");
  } catch {
    say("The portal cannot be reached. Try again.");
  }
}

/** Covers the page. `name`: whose session it is. */
export function cover(name = "You") {
  if (dialog) return;
  document.dispatchEvent(new CustomEvent("session-locked"));
  title = document.title;
  document.title = TITLE;
  dialog = built(name);
  // Whatever has the keyboard or is open over the page is under it.
  document.documentElement.dataset.locked = "";
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector("input").focus();
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
    headers: { "X-CSRFToken": csrfToken() },
  });
  if (answer.ok) channel?.postMessage("locked");
  return answer.ok;
}

/** `check()`: asks the portal how the session is, and covers or uncovers. */
export function watchLock(check) {
  channel?.addEventListener("message", ({ data }) => {
    if (data === "over") location.assign("/login/");
    else if (data === "locked") cover();
    check();
  });
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
