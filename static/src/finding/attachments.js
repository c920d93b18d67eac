/** The Attachments dialog of a study: files are chosen or dropped. */
import { watchDialog } from "../app/dialog.js";

/** Why the dialog does not show what was asked for; 0 is no answer at all. */
export function trouble(status) {
  if (!status) return "The portal cannot be reached. Nothing was changed.";
  if (status === 404) return "This study is no longer shown to you.";
  if (status === 413) return "The file is too large.";
  return `The portal answered with an error (${status}). Nothing was changed.`;
}

function watchDrop(dialog) {
  const zone = dialog.querySelector("[data-drop]");
  if (!zone) return;
  const input = zone.querySelector("input[type=file]");
  const words = zone.querySelector("[data-drop-words]");
  const say = () => {
    words.textContent = input.files[0] ? `${input.files[0].name} is ready to be attached.` : "";
  };
  input.addEventListener("change", say);
  for (const kind of ["dragenter", "dragover"]) {
    zone.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.add("is-over");
    });
  }
  zone.addEventListener("dragleave", () => zone.classList.remove("is-over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("is-over");
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    say();
  });
}

/** Makes `button` open the dialog of the study `studyId`. */
export function watchAttachments(button, studyId) {
  if (!button) return;
  watchDialog(button, {
    path: `/studies/${studyId}/attachments/`,
    title: "attachments-title",
    className: "keys-dialog attachments-dialog",
    trouble,
    shown: () => watchDrop(document.querySelector(".attachments-dialog")),
  });
}
