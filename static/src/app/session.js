/**
 * The session's clock. A real key or pointer is reported, once a minute at most; nothing else
 * extends a session. The last two minutes are announced, then the page is locked.
 */
import { csrfToken } from "./csrf.js";
import { cover, isLocked, lockNow, sessionState, uncover, watchLock } from "./lock.js";
import { toLogin } from "./login.js";

const REPORT_EVERY = 60_000;
const WARN_SECONDS = 120;
const ASK_EVERY = 60;
/** While somebody else is logged in: whose page it is may come back. */
const ASK_OTHER = 5;

let reportedAt = 0;
let endsAt = 0;
let timer = 0;

/** Seconds until the server should be asked again: often enough to warn in time. */
export function nextAsk(secondsLeft) {
  if (secondsLeft <= WARN_SECONDS) return Math.min(10, Math.max(1, secondsLeft));
  return Math.min(ASK_EVERY, secondsLeft - WARN_SECONDS + 1);
}

/** `1:05` for 65 seconds. */
export function clock(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

async function report() {
  if (isLocked()) return;
  const now = Date.now();
  if (now - reportedAt < REPORT_EVERY) return;
  reportedAt = now;
  try {
    const answer = await fetch("/session/activity/", {
      method: "POST",
      headers: { "X-CSRFToken": csrfToken() },
    });
    if (answer.status === 401) toLogin();
    else if (!document.getElementById("session-warning").hidden) await ask();
  } catch {
    reportedAt = 0;
  }
}

async function ask() {
  clearTimeout(timer);
  let wait = ASK_EVERY;
  try {
    const state = await sessionState();
    if (!state) return toLogin();
    if (state.isOther) {
      endsAt = 0;
      wait = ASK_OTHER;
    } else if (state.locked) {
      endsAt = 0;
      cover(state.name);
    } else {
      uncover();
      endsAt = Date.now() + state.seconds_left * 1000;
      wait = nextAsk(state.seconds_left);
    }
  } catch {
    // The server can't be reached: the page says so elsewhere, and asks again. Locked it is all the same.
    if (endsAt && Date.now() >= endsAt) cover();
  }
  show();
  timer = setTimeout(ask, wait * 1000);
  return undefined;
}

function show() {
  const left = (endsAt - Date.now()) / 1000;
  const warning = document.getElementById("session-warning");
  warning.hidden = isLocked() || !endsAt || left > WARN_SECONDS;
  if (!warning.hidden) document.getElementById("session-left").textContent = clock(left);
}

/** Starts the clock on a page of a logged-in user. */
export function watchSession() {
  if (!document.getElementById("session-warning")) return;
  // Opening the page has just counted.
  reportedAt = Date.now();
  for (const kind of ["keydown", "pointerdown", "pointermove", "wheel"]) {
    document.addEventListener(kind, (event) => event.isTrusted && report(), {
      capture: true,
      passive: true,
    });
  }
  document.getElementById("session-stay").addEventListener("click", () => {
    reportedAt = 0;
    report();
  });
  document.addEventListener("visibilitychange", () => document.hidden || ask());
  document.addEventListener("session-unlocked", () => {
    reportedAt = Date.now();
    ask();
  });
  watchLock(ask);
  document.getElementById("session-lock")?.addEventListener("click", async () => {
    if (await lockNow()) ask();
  });
  // Somebody logged in again in another window, and this page was kept.
  document.addEventListener("session-back", () => ask());
  setInterval(() => document.getElementById("session-warning").hidden || show(), 1000);
  ask();
}
