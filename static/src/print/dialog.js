/** The Print dialog of a document: the server renders it, this opens it and keeps it up to date. */
import { csrfToken } from "../app/csrf.js";
import { toLogin } from "../app/login.js";
import { LiveSocket } from "../worklist/socket.js";
import { KeyedThrottle } from "../worklist/throttle.js";

const SHOWN_EVERY = 250;

/** Why the dialog does not show what was asked for; 0 is no answer at all. */
export function trouble(status) {
  if (!status)
    return "The portal cannot be reached. Whether it is printed is shown when it is back.";
  if (status === 404) return "This document is no longer shown to you.";
  return `The portal answered with an error (${status}).`;
}

/** Whether an event is about a print that is shown or an agent that is offered, or some were missed. */
export function concerns(message, { commands, agents }) {
  if (message.type === "refetch") return true;
  if (message.type === "agent.changed") return agents.has(message.agent);
  return message.type === "command.changed" && commands.has(message.command);
}

/** Makes `button` open the dialog at its `data-print`. */
export function watchPrintDialog(button) {
  const path = button.dataset.print;
  const dialog = document.createElement("dialog");
  dialog.className = "print-dialog";
  dialog.setAttribute("aria-labelledby", "print-title");
  document.body.append(dialog);
  let socket;
  let asking = false;

  const list = () => dialog.querySelector(".print-list");
  const printers = (part) => [...part.querySelectorAll("[name=printer] option")];
  const shown = () => ({
    commands: new Set(
      [...dialog.querySelectorAll("[data-command]")].map((row) => Number(row.dataset.command)),
    ),
    agents: new Set(printers(dialog).map((option) => parseInt(option.value, 10))),
  });

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
    dialog.querySelector("[data-print-close]").addEventListener("click", () => dialog.close());
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
    for (const name of ["printer", "copies", "duplex", "tray"]) {
      const field = dialog.querySelector(`[name="${name}"]`);
      if (field && chosen.has(name)) field.value = chosen.get(name);
    }
    dialog.querySelector("[data-print-close]")?.focus();
    throttle.request("list");
  }

  /** Only how prints and printers do: a choice that is being made stays. */
  async function refresh() {
    if (!dialog.open || asking) return;
    const fresh = await ask({ headers: { "X-Background": "1" } });
    // A form that was sent meanwhile shows what is newer.
    if (!fresh || !list() || asking) return;
    list().replaceChildren(...fresh.querySelector(".print-list").childNodes);
    const words = new Map(printers(fresh).map((option) => [option.value, option.textContent]));
    for (const option of printers(dialog)) {
      option.textContent = words.get(option.value) ?? option.textContent;
    }
  }

  const throttle = new KeyedThrottle(refresh, { wait: () => SHOWN_EVERY });

  function watch() {
    let wasLost = false;
    socket ??= new LiveSocket(() => "/ws/worklist/", {
      onMessage: (message) => concerns(message, shown()) && throttle.request("list"),
      onStatus(now) {
        if (now === "live" && wasLost) throttle.request("list");
        wasLost = now !== "live";
      },
      onFailure() {},
    });
  }

  button.addEventListener("click", async () => {
    const loading = document.createElement("p");
    loading.id = "print-title";
    loading.setAttribute("role", "status");
    loading.textContent = "Loading…";
    dialog.replaceChildren(loading);
    dialog.showModal();
    watch();
    show(await ask());
    dialog.querySelector("select, button")?.focus();
  });
  dialog.addEventListener("close", () => button.focus());
}
