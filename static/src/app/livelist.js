/** A list whose rows follow the events; failures of the page are said on the spot. */
import htmx from "./htmx.js";
import { toLogin } from "./login.js";
import { morph } from "./morph.js";
import { watchMoved } from "./moved.js";

const background = { "X-Background": "1" };
const WORDS = { live: "live", reconnecting: "reconnecting…", offline: "offline" };
const byId = (id) => document.getElementById(id);

/**
 * Keeps the list `#list` up to date: a row is `#<key>-<id>` and is asked for at `rowPath(id)`, `#error`
 * says what goes wrong. Where `filter` matches the address, a row may come or go; without a `rowPath`
 * the list is asked for whole, for any change. Events are those of `type`. Gives `reload`.
 */
export function watchList({ key, type, list, error, rowPath, filter = /show=/ }) {
  function fail(status) {
    const box = byId(error);
    box.textContent = status
      ? `The list could not be brought up to date: the portal answered with an error (${status}).`
      : "The portal cannot be reached. The list is brought up to date when it is back.";
    box.hidden = false;
  }

  function reload() {
    return htmx
      .ajax("GET", location.pathname + location.search, {
        target: `#${list}`,
        swap: "innerHTML",
        headers: background,
      })
      .catch(() => undefined);
  }

  function update(id) {
    if (!rowPath) return reload();
    const row = byId(`${key}-${id}`);
    // Under a filter a row may come or go; elsewhere a new one stands on the first page only.
    if (filter.test(location.search)) return reload();
    if (!row) return byId(list).dataset.page === "1" ? reload() : undefined;
    return refresh(id, row.id);
  }

  async function refresh(id, element) {
    try {
      const headers = { ...background, "HX-Request": "true" };
      const answer = await fetch(rowPath(id), { headers });
      if (answer.status === 401) return void toLogin();
      if (!answer.ok) return void fail(answer.status);
      const text = await answer.text();
      if (byId(element)) morph(element, text);
      byId(error).hidden = true;
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
    if (event.detail.successful) byId(error).hidden = true;
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.matches?.("button")) event.target.setAttribute("aria-busy", "true");
  });

  watchMoved(key, {
    type,
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
  return { reload };
}
