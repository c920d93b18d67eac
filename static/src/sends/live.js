/** `delivery.changed` from the worklist's socket, one call per send however fast they come. */
import { watchEvents } from "../worklist/events.js";
import { KeyedThrottle } from "../worklist/throttle.js";

const SHOWN_EVERY = 400;

/**
 * Calls `changed(send, study)` for every send that moved, and `again()` whenever something may have been
 * missed: after a reconnect, or when the server says so. `status(status)` tells how the connection is.
 */
export function watchSends({ changed, again, status }) {
  const studies = new Map();
  const throttle = new KeyedThrottle((send) => changed(send, studies.get(send)), {
    wait: () => SHOWN_EVERY,
  });
  return watchEvents({
    onEvent(message) {
      if (message.type === "refetch") again();
      if (message.type !== "delivery.changed" || message.send == null) return;
      studies.set(message.send, message.study);
      throttle.request(message.send);
    },
    again,
    status,
  });
}
