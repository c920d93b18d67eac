/** What a person sees while the list is asked for, and when that fails. */
import htmx from "../app/htmx.js";
import * as list from "./list.js";

const SLOW = 400;
let slow = 0;
let failed = null;

const isList = (event) => event.detail.target?.id === "list";
const isSilent = (event) => "X-Background" in (event.detail.requestConfig?.headers ?? {});
const main = () => list.element("content");

function begin(event) {
  if (!isList(event) || isSilent(event)) return;
  main().classList.add("is-loading");
  list.element("list").setAttribute("aria-busy", "true");
  clearTimeout(slow);
  slow = setTimeout(() => main().classList.add("is-slow"), SLOW);
}

function end(event) {
  if (!isList(event) || isSilent(event)) return;
  clearTimeout(slow);
  main().classList.remove("is-loading", "is-slow");
  list.element("list").removeAttribute("aria-busy");
  if (event.detail.successful) list.element("list-error").hidden = true;
}

/** The words for an answer of this status; 0 is no answer at all. */
export function words(status) {
  if (!status)
    return "The portal could not be reached, so the list was not loaded. What you see may be out of date.";
  if (status === 403) return "The portal refused the request. Reload the page, then try again.";
  if (status === 429) return "Too many requests at once. Wait a moment, then try again.";
  return `The list could not be loaded: the portal answered with an error (${status}). What you see may be out of date.`;
}

function fail(event) {
  if (!isList(event) || isSilent(event) || event.detail.xhr?.status === 401) return;
  failed = event.detail.requestConfig?.formData ?? null;
  list.element("list-error-text").textContent = words(event.detail.xhr?.status ?? 0);
  list.element("list-error").hidden = false;
}

export function watchRequests() {
  document.addEventListener("htmx:beforeRequest", begin);
  document.addEventListener("htmx:afterRequest", end);
  for (const kind of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(kind, fail);
  }
  list.element("list-retry").addEventListener("click", () => {
    list.load(failed ?? new FormData(list.element("filters"))).catch(() => undefined);
  });
}

/** Calls `then(silent)` whenever the list has been replaced. */
export function whenReplaced(then) {
  htmx.on("htmx:afterSwap", (event) => {
    if (isList(event)) then(isSilent(event));
  });
}
