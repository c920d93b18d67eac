/** The dialog of notes, priority and assignment: the server renders it. */
import { watchDialog } from "../app/dialog.js";
import { watchEvents } from "../worklist/events.js";

/** Why the dialog does not show what was asked for; 0 is no answer at all. */
export function trouble(status) {
  if (!status) return "The portal cannot be reached. Nothing was noted.";
  if (status === 404) return "This study is no longer shown to you.";
  return `The portal answered with an error (${status}). Nothing was noted.`;
}

/**
 * Makes `button` open the dialog of the study that `study()` names. `closed()` is called when it
 * closes.
 */
export function watchNotesDialog(button, study, { closed } = {}) {
  watchDialog(button, {
    path: () => `/studies/${study()}/notes/`,
    title: "notes-title",
    className: "keys-dialog notes-dialog",
    trouble,
    watch(refresh, dialog) {
      if (closed) dialog.addEventListener("close", closed);
      watchEvents({
        onEvent: (message) => message.study === Number(study()) && refresh(),
        again: refresh,
      });
    },
  });
}
