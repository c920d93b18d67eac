/** `delivery.changed` of the worklist's socket, one call for each thing that moved however fast they come. */
import { watchEvents } from "../worklist/events.js";
import { KeyedThrottle } from "../worklist/throttle.js";

const SHOWN_EVERY = 400;

/**
 * Calls `changed(id, message)` for every event that names an id under `key` ("send" or "delivery"), and
 * `again()` whenever something may have been missed: after a reconnect, or when the server says so.
 * `status(status)` tells how the connection is.
 */
export function watchMoved(key, { changed, again, status }) {
  const last = new Map();
  const throttle = new KeyedThrottle((id) => changed(id, last.get(id)), {
    wait: () => SHOWN_EVERY,
  });
  return watchEvents({
    onEvent(message) {
      if (message.type === "refetch") again();
      if (message.type !== "delivery.changed" || message[key] == null) return;
      last.set(message[key], message);
      throttle.request(message[key]);
    },
    again,
    status,
  });
}
