import { cover, sessionState } from "./lock.js";

/** Who must not be left: each says whether it holds something that is nowhere else. */
const holders = new Set();

/** Keeps the page from leaving for the login while `holds()` is true; "session-over" is sent instead. */
export function stayWhile(holds) {
  holders.add(holds);
}

/**
 * The portal said that nobody is logged in: a session that is only locked is covered. Else leaves for the
 * login page, which brings the person back to this page, never to its query.
 */
export async function toLogin() {
  const state = await sessionState().catch(() => null);
  if (state?.locked) return void cover(state.name);
  if (state) return;
  if ([...holders].some((holds) => holds())) {
    document.dispatchEvent(new CustomEvent("session-over"));
    return;
  }
  location.assign(`/login/?next=${encodeURIComponent(location.pathname)}`);
}
