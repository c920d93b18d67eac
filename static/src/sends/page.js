/** The list of sends: rows follow the events, failures of the page are said on the spot. */
import htmx from "../app/htmx.js";
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
  // Never under the pointer of somebody who is about to press: the button stays the same element's.
  if (row.contains(document.activeElement)) return refreshParts(send, row);
  return htmx
    .ajax("GET", `/sends/${send}/row/`, { target: row, swap: "outerHTML", headers: background })
    .catch(() => undefined);
}

/** Refreshes a row that has the focus without taking the focus away, unless its state changed. */
async function refreshParts(send, row) {
  const answer = await fetch(`/sends/${send}/row/`, {
    headers: { ...background, "HX-Request": "true" },
  });
  if (!answer.ok) return;
  const html = `<table><tbody>${await answer.text()}</tbody></table>`;
  const fresh = new DOMParser().parseFromString(html, "text/html").querySelector("tr");
  if (!fresh) return;
  if (fresh.dataset.state !== row.dataset.state) {
    const copy = document.importNode(fresh, true);
    row.replaceWith(copy);
    htmx.process(copy);
    copy.querySelector("button, a")?.focus();
    return;
  }
  row
    .querySelector(".send-progress")
    .replaceChildren(
      ...document.importNode(fresh.querySelector(".send-progress"), true).childNodes,
    );
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
