/** The list of sends: rows follow the events, failures of the page are said on the spot. */
import htmx from "../app/htmx.js";
import { toLogin } from "../app/login.js";
import { morph } from "../app/morph.js";
import { watchSends } from "./live.js";

const byId = (id) => document.getElementById(id);
const background = { "X-Background": "1" };
const WORDS = { live: "live", reconnecting: "reconnecting…", offline: "offline" };

function fail(status) {
  const box = byId("sends-error");
  box.textContent = status
    ? `The list could not be brought up to date: the portal answered with an error (${status}).`
    : "The portal cannot be reached. The list is brought up to date when it is back.";
  box.hidden = false;
}

function reload() {
  return htmx
    .ajax("GET", location.pathname + location.search, {
      target: "#send-list",
      swap: "innerHTML",
      headers: background,
    })
    .catch(() => undefined);
}

function update(send) {
  const row = byId(`send-${send}`);
  // Under a filter a send may come or go; elsewhere a new one stands on the first page only.
  if (location.search.includes("show=")) return reload();
  if (!row) return byId("send-list").dataset.page === "1" ? reload() : undefined;
  return refresh(send, row.id);
}

async function refresh(send, id) {
  try {
    const headers = { ...background, "HX-Request": "true" };
    const answer = await fetch(`/sends/${send}/row/`, { headers });
    if (answer.status === 401) return void toLogin();
    if (!answer.ok) return void fail(answer.status);
    const text = await answer.text();
    if (byId(id)) morph(id, text);
    byId("sends-error").hidden = true;
  } catch {
    fail(0);
  }
  return undefined;
}

for (const kind of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(kind, (event) => {
    const status = event.detail.xhr?.status ?? 0;
    if (status !== 401) fail(status);
  });
}
document.addEventListener("htmx:afterRequest", (event) => {
  event.target.removeAttribute?.("aria-busy");
  if (event.detail.successful) byId("sends-error").hidden = true;
});
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.matches?.("button")) event.target.setAttribute("aria-busy", "true");
});

watchSends({
  changed: update,
  again: reload,
  status(now) {
    const dot = byId("live");
    if (dot.dataset.live === now) return;
    dot.dataset.live = now;
    dot.textContent = WORDS[now];
  },
});
document.documentElement.dataset.page = "ready";
