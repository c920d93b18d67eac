/** The button of a row that says a study is complete, or takes it back; htmx sends it. */
import { toast } from "../app/toasts.js";

/** The words of a refusal or a failure; 0 is no answer at all. */
export function refusal(status, detail) {
  if (!status) return "The portal could not be reached. The study was not changed.";
  if (status === 404) return "This study is no longer shown to you.";
  if (status === 403 && detail) return detail;
  return `The study was not changed: the portal answered with an error (${status}).`;
}

function answerOf(xhr) {
  try {
    return JSON.parse(xhr.responseText);
  } catch {
    return {};
  }
}

/** Calls `changed(study)` after an answer, so that the row follows without the socket, too. */
export function watchComplete({ changed }) {
  document.addEventListener("htmx:beforeRequest", ({ target }) => {
    // Not disabled: that would take the focus away.
    if (target.matches?.("[data-complete]")) target.setAttribute("aria-busy", "true");
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { target: button, detail } = event;
    if (!button.matches?.("[data-complete]")) return;
    button.removeAttribute("aria-busy");
    const { status } = detail.xhr;
    if (status === 401) return;
    const answer = answerOf(detail.xhr);
    if (!detail.successful) {
      toast(refusal(status, answer.detail), { kind: "stat", milliseconds: 8000 });
      return;
    }
    toast(answer.message, { kind: answer.complete ? "ok" : "" });
    changed(answer.study);
  });
}
