/** `delivery.changed` from the worklist's socket, one call per send however fast they come. */
import { LiveSocket } from "../worklist/socket.js";
import { KeyedThrottle } from "../worklist/throttle.js";

const SHOWN_EVERY = 400;

/**
 * Calls `changed(send, study)` for every send that moved, and `again()` whenever something may have been
 * missed: after a reconnect, or when the server says so. `status(status)` tells how the connection is.
 */
export function watchSends({ changed, again, status = () => {} }) {
  const studies = new Map();
  const throttle = new KeyedThrottle((send) => changed(send, studies.get(send)), {
    wait: () => SHOWN_EVERY,
  });
  let wasLost = false;
  return new LiveSocket(() => "/ws/worklist/", {
    onMessage(message) {
      if (message.type === "refetch") again();
      if (message.type !== "delivery.changed" || message.send == null) return;
      studies.set(message.send, message.study);
      throttle.request(message.send);
    },
    onStatus(now) {
      if (now === "live" && wasLost) again();
      wasLost = now !== "live";
      status(now);
    },
    onFailure() {},
  });
}
