/** The Send dialog of a study: the server renders it, this opens it and keeps it up to date. */
import { watchDialog } from "../app/dialog.js";
import { watchMoved } from "../app/moved.js";

/** Why the dialog does not show what was asked for; 0 is no answer at all. */
export function trouble(status) {
  if (!status) return "The portal cannot be reached. Nothing was sent.";
  if (status === 404) return "This study is no longer shown to you.";
  return `The portal answered with an error (${status}). Nothing was sent.`;
}

/** Makes `button` open the dialog of the study `studyId`. */
export function watchSendDialog(button, studyId) {
  watchDialog(button, {
    path: `/studies/${studyId}/send/`,
    title: "send-title",
    className: "keys-dialog send-dialog",
    trouble,
    watch: (refresh) =>
      watchMoved("send", {
        changed: (_, { study }) => study === studyId && refresh(),
        again: refresh,
      }),
  });
}
