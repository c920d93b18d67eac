/** `agent.changed` and `command.changed` from the worklist's socket, for the part a page shows. */
import { watchEvents } from "../worklist/events.js";

/** Whether an event concerns a page that shows `kind`: "list", "agent" or "command". */
export function concerns(message, { kind, agent, command }) {
  if (message.type === "refetch") return true;
  if (message.type === "agent.changed") return kind === "list" || message.agent === agent;
  if (message.type !== "command.changed") return false;
  return kind === "agent" ? message.agent === agent : message.command === command;
}

/** Calls `changed()` for every event that concerns what is shown, and after a reconnect. */
export function watch(shown, { changed, status }) {
  return watchEvents({
    onEvent: (message) => concerns(message, shown) && changed(),
    again: changed,
    status,
  });
}
