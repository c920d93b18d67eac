/** The dialog that makes a disc of a study, and follows the discs that are being made. */
import { watchDialog } from "../app/dialog.js";
import { watchEvents } from "../worklist/events.js";
import { KeyedThrottle } from "../worklist/throttle.js";

const SHOWN_EVERY = 400;

/** Why the dialog does not show what was asked for; 0 is no answer at all. */
export function trouble(status) {
  if (!status) return "The portal cannot be reached. No disc was asked for.";
  if (status === 404) return "This study is no longer shown to you.";
  return `The portal answered with an error (${status}). No disc was asked for.`;
}

/** Whether an event may tell of a disc in the dialog. */
export function concerns(message, commands) {
  if (message.type === "refetch") return true;
  return message.type === "command.changed" && commands.includes(String(message.command));
}

function watchDiscs(refresh) {
  const throttle = new KeyedThrottle(refresh, { wait: () => SHOWN_EVERY });
  const shown = () =>
    [...document.querySelectorAll(".disc-dialog [data-command]")].map((row) => row.dataset.command);
  return watchEvents({
    onEvent: (message) => concerns(message, shown()) && throttle.request("discs"),
    again: refresh,
  });
}

/** Makes `button` open the dialog of the study `studyId`. */
export function watchDiscDialog(button, studyId) {
  watchDialog(button, {
    path: `/studies/${studyId}/disc/`,
    title: "disc-title",
    className: "keys-dialog send-dialog disc-dialog",
    trouble,
    watch: watchDiscs,
  });
}
