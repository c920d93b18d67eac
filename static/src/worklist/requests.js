/** What a person sees while the list is asked for, and when that fails. */
import htmx from "../app/htmx.js";
import * as list from "./list.js";
import { words } from "./words.js";

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
