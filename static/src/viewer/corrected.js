/** A study that is corrected while it is open: what the page says of it may be wrong. */

/** Gives a listener of events that shows `button` when the study `studyId` was corrected. */
export function watchCorrected(button, studyId) {
  button.addEventListener("click", () => location.reload());
  return ({ type, study }) => {
    if (type === "study.corrected" && study === studyId) button.hidden = false;
  };
}
