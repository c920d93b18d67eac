/** The list as it stands in the page, and how it is asked for again. */
import htmx from "../app/htmx.js";
import { csrfToken } from "../app/csrf.js";
import { toLogin } from "../app/login.js";

export const element = (id) => document.getElementById(id);
export const background = () => ({ "X-Background": "1", "X-CSRFToken": csrfToken() });

/** What the server said of the page it rendered. */
export function page() {
  const { dataset } = element("scroller");
  return {
    number: Number(dataset.page),
    hasNext: dataset.hasNext === "1",
    descending: dataset.descending === "1",
    sequences: JSON.parse(dataset.sequences),
    rendered: Number(dataset.rendered),
    filtered: dataset.filtered === "1",
  };
}

export const rows = () => [...document.querySelectorAll("#rows > tr[data-study]")];
export const arrivals = () => [...document.querySelectorAll("#arrived-rows > tr[data-study]")];
export const allRows = () => [...rows(), ...arrivals()];
export const rowsOf = (study) => allRows().filter((row) => row.dataset.study === String(study));
/** The link that opens the study, wherever its column is. */
export const linkOf = (row) => row.querySelector(".c-patient a");
export const keyOf = (row) => JSON.parse(row.dataset.key);

/** The filters as the list is asked for, and whether they may stand in a URL. */
function question() {
  const form = element("filters");
  const data = new FormData(form);
  data.delete("csrfmiddlewaretoken");
  const hasText = String(data.get("q") ?? "").trim() !== "";
  if (!hasText) data.delete("q");
  return { query: new URLSearchParams(data), hasText };
}

/**
 * The row of a study under the current filters, null where the list does not show it.
 * Free text travels in a body only.
 */
export async function fetchRow(study) {
  const { query, hasText } = question();
  const path = `/worklist/row/${study}/`;
  const answer = await (hasText
    ? fetch(path, { method: "POST", headers: background(), body: query })
    : fetch(`${path}?${query}`, { headers: background() }));
  if (answer.status === 401) toLogin();
  showUnreadStat(answer.headers.get("X-Unread-Stat"));
  if (answer.status === 204) return null;
  if (!answer.ok) throw new Error(`row: ${answer.status}`);
  const html = `<table><tbody>${await answer.text()}</tbody></table>`;
  const row = new DOMParser().parseFromString(html, "text/html").querySelector("tr[data-study]");
  return row && copyOf(row);
}

/** A row of this page's document, its button working. */
export function copyOf(row) {
  const copy = document.importNode(row, true);
  htmx.process(copy);
  return copy;
}

/** The number of unread STAT studies in the top bar, as the server last counted it. */
function showUnreadStat(count) {
  if (count === null) return;
  element("stat-count").hidden = count === "0";
  element("stat-number").textContent = count;
}

/** Whether the server still knows us: a socket that is refused does not say why. */
export async function checkSession() {
  try {
    const answer = await fetch("/session/state/", { headers: background() });
    if (answer.status === 401) toLogin();
  } catch {
    // Not reachable: the live dot says so.
  }
}

/** Sends a request for the list through htmx. `values` are a form's data. */
export function load(values, { silent = false } = {}) {
  return htmx.ajax("POST", "/worklist/table/", {
    source: "#scroller",
    target: "#list",
    swap: "innerHTML",
    values,
    headers: silent ? background() : {},
  });
}

/** Asks for this page of the list as a person does: progress is shown. */
export function refresh() {
  return load(new FormData(element("filters")));
}

/** Asks for the list from its first page, after a change of the filters. */
export function refilter() {
  htmx.trigger(element("filters"), "filter");
}

let refetching = null;
let again = false;

/** Asks for this page again without a person's doing. Calls during a request make one more. */
export function refetch() {
  if (refetching) {
    again = true;
    return refetching;
  }
  refetching = load(new FormData(element("filters")), { silent: true })
    .catch(() => undefined)
    .finally(() => {
      refetching = null;
      if (again) {
        again = false;
        refetch();
      }
    });
  return refetching;
}
