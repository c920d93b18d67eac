/** The list of quarantined files: asked for anew when one comes or is settled. */
import htmx from "../app/htmx.js";
import { toLogin } from "../app/login.js";
import "../app/morph.js";
import { watchEvents } from "../worklist/events.js";

const WORDS = { live: "live", reconnecting: "reconnecting…", offline: "offline" };
const AFTER = 400;
const byId = (id) => document.getElementById(id);
let timer = 0;

function failed(status) {
  if (status === 401) return void toLogin();
  const box = byId("quarantine-error");
  box.textContent = status
    ? `The list could not be brought up to date: the portal answered with an error (${status}).`
    : "The portal cannot be reached. The list is brought up to date when it is back.";
  box.hidden = false;
  return undefined;
}

function reload() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    htmx
      .ajax("GET", location.pathname + location.search, {
        target: "#quarantine-list",
        swap: "innerHTML",
        headers: { "X-Background": "1" },
      })
      .catch(() => undefined);
  }, AFTER);
}

for (const kind of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(kind, (event) => failed(event.detail.xhr?.status ?? 0));
}
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) byId("quarantine-error").hidden = true;
});
watchEvents({
  onEvent: ({ type }) => ["quarantine.changed", "refetch"].includes(type) && reload(),
  again: reload,
  status(now) {
    const dot = byId("live");
    if (dot.dataset.live === now) return;
    dot.dataset.live = now;
    dot.textContent = WORDS[now];
  },
});
document.documentElement.dataset.page = "ready";
