/** Who must not be left: each says whether it holds something that is nowhere else. */
const holders = new Set();

/** Keeps the page from leaving for the login while `holds()` is true; "session-over" is sent instead. */
export function stayWhile(holds) {
  holders.add(holds);
}

/** Leaves for the login page, which brings the person back to this page, never to its query. */
export function toLogin() {
  if ([...holders].some((holds) => holds())) {
    document.dispatchEvent(new CustomEvent("session-over"));
    return;
  }
  location.assign(`/login/?next=${encodeURIComponent(location.pathname)}`);
}
