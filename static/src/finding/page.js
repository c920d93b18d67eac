/** Lists of reports and the search: keys move between hits and rows, failures are said on the spot. */
import "../app/htmx.js";
import { nextLink } from "./rows.js";

const byId = (id) => document.getElementById(id);
const links = () => [
  ...document.querySelectorAll("[data-hit] h2 a[href], [data-report-row] th a[href]"),
];

function toSearch() {
  const field = byId("q");
  if (!field) return void location.assign("/reports/search/");
  field.focus();
  return field.select();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const field = byId("q");
  if (event.target === field) {
    if (event.key === "ArrowDown" && links()[0]) {
      event.preventDefault();
      links()[0].focus();
    }
    return;
  }
  if (event.target.closest("input, select, textarea, details[open], dialog[open]")) return;
  if (event.key === "/") {
    event.preventDefault();
    toSearch();
    return;
  }
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (!step) return;
  const all = links();
  const next = nextLink(all, all.indexOf(document.activeElement), step);
  if (next === "before") {
    if (field) toSearch();
  } else if (next) {
    event.preventDefault();
    next.focus();
    next.closest("li, tr").scrollIntoView({ block: "nearest" });
  }
});

const error = byId("finding-error");
function fail(status) {
  if (!error) return;
  error.textContent = status
    ? `The search failed: the portal answered with an error (${status}). Try again.`
    : "The portal cannot be reached. Try again when it is back.";
  error.hidden = false;
  // What was found before is no answer to these words.
  byId("hits").replaceChildren();
}
for (const kind of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(kind, (event) => {
    const status = event.detail.xhr?.status ?? 0;
    if (status !== 401) fail(status);
  });
}
document.addEventListener("htmx:beforeRequest", () =>
  byId("hits")?.setAttribute("aria-busy", "true"),
);
document.addEventListener("htmx:afterRequest", (event) => {
  byId("hits")?.removeAttribute("aria-busy");
  if (event.detail.successful && error) error.hidden = true;
});
document.documentElement.dataset.page = "ready";
