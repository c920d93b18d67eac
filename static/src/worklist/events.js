/** The site's events for the parts of a page that are asked for anew when something happened. */
import { LiveSocket } from "./socket.js";

/**
 * Calls `onEvent(message)` for every event and `again()` after a reconnect, when some may have been
 * missed. `status(status)` tells how the connection is.
 */
export function watchEvents({ onEvent, again, status = () => {} }) {
  let wasLost = false;
  return new LiveSocket(() => "/ws/worklist/", {
    onMessage: onEvent,
    onStatus(now) {
      if (now === "live" && wasLost) again();
      wasLost = now !== "live";
      status(now);
    },
    onFailure() {},
  });
}
