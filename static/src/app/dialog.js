/** A dialog that the server renders: a button opens it, its form is sent without leaving the page. */
import { csrfToken } from "./csrf.js";
import { toLogin } from "./login.js";

/** The part of a dialog that is brought up to date while something is being chosen in the rest. */
const LIVE = "[data-live-part]";
/** What a form that was sent keeps in the one that answers. */
const KEPT = "select, input[type=number]";

function parsed(text) {
  return document.importNode(new DOMParser().parseFromString(text, "text/html").body, true);
}

/**
 * Makes `button` open the dialog at `path`, a text or what gives one. `title` is the id of its heading, `trouble(status)` words
 * for an answer that is none (0: no answer at all), `watch(refresh)` is called once, when it first
 * opens, with the dialog, `shown()` after every answer, `refreshed(dialog, fresh)` when the live part
 * was brought up to date.
 */
export function watchDialog(button, { path, title, className, trouble, watch, shown, refreshed }) {
  if (!button) return;
  const dialog = document.createElement("dialog");
  dialog.className = className;
  dialog.setAttribute("aria-labelledby", title);
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

  async function ask(options = {}) {
    try {
      const answer = await fetch(typeof path === "function" ? path() : path, options);
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
    dialog.querySelector("[data-dialog-close]").addEventListener("click", () => dialog.close());
    dialog.querySelector("form").addEventListener("submit", submit);
    shown?.();
  }

  async function submit(event) {
    event.preventDefault();
    if (asking) return;
    asking = true;
    const chosen = new FormData(event.target, event.submitter);
    event.submitter?.setAttribute("aria-busy", "true");
    show(await ask({ method: "POST", headers: { "X-CSRFToken": csrfToken() }, body: chosen }));
    event.submitter?.removeAttribute("aria-busy");
    asking = false;
    for (const [name, value] of chosen) {
      const field = dialog.querySelector(`[name="${name}"]`);
      if (field?.matches(KEPT)) field.value = value;
    }
    dialog.querySelector("[data-dialog-close]")?.focus();
    if (watch) refresh();
  }

  /** Only what goes on: a choice that is being made stays. */
  async function refresh() {
    if (!dialog.open || asking) return;
    const body = await ask({ headers: { "X-Background": "1" } });
    // A form that was sent meanwhile shows what is newer.
    if (!body || asking) return;
    const fresh = body.querySelector(LIVE);
    const list = dialog.querySelector(LIVE);
    if (!fresh) return;
    if (!list) return show(body);
    list.replaceChildren(...fresh.childNodes);
    refreshed?.(dialog, body);
  }

  button.addEventListener("click", async () => {
    const loading = document.createElement("p");
    loading.id = title;
    loading.setAttribute("role", "status");
    loading.textContent = "Loading…";
    dialog.replaceChildren(loading);
    dialog.showModal();
    if (!watching) {
      watching = true;
      watch?.(refresh, dialog);
    }
    show(await ask());
    dialog.querySelector("select, input:not([type=hidden]), button")?.focus();
  });
  dialog.addEventListener("close", () => button.focus());
}
