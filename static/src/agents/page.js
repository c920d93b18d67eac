/** Pages of agents: the live part follows the events, forms are sent without leaving the page. */
import { csrfToken } from "../app/csrf.js";
import { toLogin } from "../app/login.js";
import { morphInside } from "../app/morph.js";
import { KeyedThrottle } from "../worklist/throttle.js";
import { watch } from "./live.js";

const SHOWN_EVERY = 400;
// Online turns into offline without an event when the portal itself was away.
const LOOK_AGAIN = 30_000;
const WORDS = { live: "live", reconnecting: "reconnecting…", offline: "offline" };
const byId = (id) => document.getElementById(id);
const part = byId("agents-live");
const number = (text) => (text ? Number(text) : undefined);
const shown = {
  kind: part.dataset.kind,
  agent: number(part.dataset.agent),
  command: number(part.dataset.command),
};

function fail(status, what) {
  const box = byId("agents-error");
  box.textContent = status
    ? `${what}: the portal answered with an error (${status}).`
    : `${what}: the portal cannot be reached. The page is brought up to date when it is back.`;
  box.hidden = false;
}

/** The answer's text; undefined, and said on the page, where there is none. */
async function ask(path, what, options = {}) {
  try {
    const headers = { "HX-Request": "true", "X-Background": "1", ...options.headers };
    const answer = await fetch(path, { ...options, headers });
    if (answer.status === 401) return void toLogin();
    if (!answer.ok) return void fail(answer.status, what);
    byId("agents-error").hidden = true;
    return await answer.text();
  } catch {
    return void fail(0, what);
  }
}

async function refresh() {
  const text = await ask(
    location.pathname + location.search,
    "The page could not be brought up to date",
  );
  if (text !== undefined) morphInside(part, text);
}

async function send(form, target, what) {
  const button = form.querySelector("button");
  if (button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  const text = await ask(form.action, what, {
    method: "POST",
    headers: { "X-CSRFToken": csrfToken() },
    body: new FormData(form),
  });
  button.removeAttribute("aria-busy");
  if (text === undefined) return;
  morphInside(target, text);
  // The next press is another command.
  const key = form.querySelector("input[name=key]");
  if (key) key.value = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches("[data-give]")) {
    event.preventDefault();
    send(form, byId("agent-given"), "The agent was not told");
  } else if (form.matches("[data-cancel]")) {
    event.preventDefault();
    send(form, part, "The command was not cancelled");
  }
});

const throttle = new KeyedThrottle(refresh, { wait: () => SHOWN_EVERY });
watch(shown, {
  changed: () => throttle.request("page"),
  status(now) {
    const dot = byId("live");
    if (dot.dataset.live === now) return;
    dot.dataset.live = now;
    dot.textContent = WORDS[now];
  },
});
setInterval(() => document.hidden || throttle.request("page"), LOOK_AGAIN);
document.documentElement.dataset.page = "ready";
