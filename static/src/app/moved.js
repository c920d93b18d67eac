/** Events of one type on the worklist's socket, one call for each thing that moved however fast they come. */
import { watchEvents } from "../worklist/events.js";
import { KeyedThrottle } from "../worklist/throttle.js";

const SHOWN_EVERY = 400;

/**
 * Calls `changed(id, message)` for every event of `type` that names an id under `key`, and
 * `again()` whenever something may have been missed: after a reconnect, or when the server says so.
 * `status(status)` tells how the connection is.
 */
export function watchMoved(key, { changed, again, status, type = "delivery.changed" }) {
  const last = new Map();
  const throttle = new KeyedThrottle((id) => changed(id, last.get(id)), {
    wait: () => SHOWN_EVERY,
  });
  return watchEvents({
    onEvent(message) {
      if (message.type === "refetch") again();
      if (message.type !== type || message[key] == null) return;
      last.set(message[key], message);
      throttle.request(message[key]);
    },
    again,
    status,
  });
}
