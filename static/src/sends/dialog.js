/** The Send dialog of a study: the server renders it, this opens it and keeps it up to date. */
import { csrfToken } from "../app/csrf.js";
import { toLogin } from "../app/login.js";
import { watchSends } from "./live.js";

/** Why the dialog does not show what was asked for; 0 is no answer at all. */
export function trouble(status) {
  if (!status) return "The portal cannot be reached. Nothing was sent.";
  if (status === 404) return "This study is no longer shown to you.";
  return `The portal answered with an error (${status}). Nothing was sent.`;
}

/** Makes `button` open the dialog of the study `studyId`. */
export function watchSendDialog(button, studyId) {
  if (!button) return;
  const path = `/studies/${studyId}/send/`;
  const dialog = document.createElement("dialog");
  dialog.className = "keys-dialog send-dialog";
  dialog.setAttribute("aria-labelledby", "send-title");
  document.body.append(dialog);
  let watching = false;
  let asking = false;

  function say(text) {
    let note = dialog.querySelector("[role=alert]");
    if (!note) {
      note = document.createElement("p");
      note.className = "notice notice-stat";
      note.setAttribute("role", "alert");
      dialog.prepend(note);
    }
    note.textContent = text;
  }

  function parsed(text) {
    return document.importNode(new DOMParser().parseFromString(text, "text/html").body, true);
  }

  async function ask(options = {}) {
    try {
      const answer = await fetch(path, options);
      if (answer.status === 401) return toLogin();
      if (!answer.ok) return say(trouble(answer.status));
      return parsed(await answer.text());
    } catch {
      return say(trouble(0));
    }
  }

  function show(body) {
    if (!body) return;
    dialog.replaceChildren(...body.childNodes);
    dialog.querySelector("[data-send-close]").addEventListener("click", () => dialog.close());
    dialog.querySelector("form").addEventListener("submit", submit);
  }

  async function submit(event) {
    event.preventDefault();
    if (asking) return;
    asking = true;
    const chosen = new FormData(event.target);
    event.submitter?.setAttribute("aria-busy", "true");
    show(await ask({ method: "POST", headers: { "X-CSRFToken": csrfToken() }, body: chosen }));
    event.submitter?.removeAttribute("aria-busy");
    asking = false;
    for (const [name, value] of chosen) {
      const field = dialog.querySelector(`select[name="${name}"]`);
      if (field) field.value = value;
    }
    dialog.querySelector("[data-send-close]")?.focus();
  }

  /** Only what has been sent so far: a choice that is being made stays. */
  async function refresh() {
    if (!dialog.open || asking) return;
    const body = await ask({ headers: { "X-Background": "1" } });
    const fresh = body?.querySelector(".send-list");
    const list = dialog.querySelector(".send-list");
    if (fresh && list) list.replaceWith(fresh);
    else if (fresh) show(body);
  }

  button.addEventListener("click", async () => {
    const loading = document.createElement("p");
    loading.id = "send-title";
    loading.setAttribute("role", "status");
    loading.textContent = "Loading…";
    dialog.replaceChildren(loading);
    dialog.showModal();
    if (!watching) {
      watching = true;
      watchSends({ changed: (_, study) => study === studyId && refresh(), again: refresh });
    }
    show(await ask());
    dialog.querySelector("select, button")?.focus();
  });
  dialog.addEventListener("close", () => button.focus());
}
