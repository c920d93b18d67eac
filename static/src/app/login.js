import { isHeld } from "./holding.js";
import { cover, sessionState } from "./lock.js";

/**
 * The portal said that nobody is logged in: a session that is only locked is covered. Else leaves for the
 * login page, which brings the person back to this page, never to its query. What would be lost is stayed
 * with (holding.js): "session-over" is sent instead.
 */
export async function toLogin() {
  const state = await sessionState().catch(() => null);
  if (state?.locked) return void cover(state.name);
  if (state) return;
  if (isHeld()) {
    document.dispatchEvent(new CustomEvent("session-over"));
    return;
  }
  location.assign(`/login/?next=${encodeURIComponent(location.pathname)}`);
}
