/** The forms of templates and macros: nothing is lost when saving fails, keys for everything. */
import { csrfToken } from "../app/csrf.js";
import { macro, template } from "./reading.js";

const READERS = { template, macro };
const byId = (id) => document.getElementById(id);

/** The element that a place of the server's answer means: `["sections", 2, "fields", 0, "kind"]`. */
function elementAt(form, place) {
  let root = form;
  for (const [index, step] of place.entries()) {
    if (typeof step !== "number") continue;
    const kind = place[index - 1] === "fields" ? "[data-field]" : "[data-section]";
    root = root.querySelectorAll(kind)[step] ?? root;
  }
  const last = place.at(-1);
  const found =
    typeof last === "string"
      ? root.querySelector(`[data-name="${last}"], [data-rich="${last}"], [data-detail="${last}"]`)
      : null;
  return found ?? root.querySelector("input, [contenteditable]");
}

function clone(id) {
  return byId(id).content.firstElementChild.cloneNode(true);
}

function act(form, button) {
  const action = button.dataset.do;
  if (action === "add-section") {
    const section = clone("blank-section");
    byId("sections").append(section);
    section.querySelector("input").focus();
    return;
  }
  if (action === "add-field") {
    const field = clone("blank-field");
    button.closest("[data-section]").querySelector("[data-fields]").append(field);
    field.querySelector("input").focus();
    return;
  }
  const part = button.closest("[data-field]") ?? button.closest("[data-section]");
  if (action === "remove") {
    const next = part.nextElementSibling ?? part.previousElementSibling;
    part.remove();
    (next?.querySelector("input") ?? form.querySelector("[data-do=add-section]")).focus();
  } else if (action === "up") {
    part.previousElementSibling?.before(part);
    button.focus();
  } else if (action === "down") {
    part.nextElementSibling?.after(part);
    button.focus();
  }
}

/** Plain text only: what a word processor brings along stays there. */
function paste(event) {
  event.preventDefault();
  const text = event.clipboardData.getData("text/plain");
  document.execCommand("insertText", false, text);
}

export function watchForm(form) {
  const problem = byId("form-problem");
  const state = byId("form-state");
  let dirty = false;
  let saving = false;

  document.execCommand("defaultParagraphSeparator", false, "p");

  function changed() {
    dirty = true;
    state.textContent = "not saved";
  }

  function fail(words, place = []) {
    problem.textContent = words;
    problem.hidden = false;
    state.textContent = "not saved";
    for (const element of form.querySelectorAll("[aria-invalid]")) {
      element.removeAttribute("aria-invalid");
    }
    const element = place.length ? elementAt(form, place) : null;
    element?.setAttribute("aria-invalid", "true");
    (element ?? problem).scrollIntoView({ block: "center" });
    element?.focus();
  }

  async function save() {
    if (saving) return;
    saving = true;
    state.textContent = "saving…";
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
        body: JSON.stringify(READERS[form.dataset.jsonForm](form)),
      });
      if (answer.status === 401) {
        fail("You are logged out. Log in in another tab, then save again: nothing is lost.");
        return;
      }
      const said = await answer.json().catch(() => ({}));
      if (answer.ok && said.url) {
        dirty = false;
        location.assign(said.url);
        return;
      }
      fail(
        said.problem ?? `The portal answered with an error (${answer.status}). Try again.`,
        said.place,
      );
    } catch {
      fail("The portal cannot be reached. Nothing is lost; save again when it is back.");
    } finally {
      saving = false;
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save();
  });
  form.addEventListener("input", changed);
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (!button) return;
    act(form, button);
    changed();
  });
  form.addEventListener("paste", (event) => {
    if (event.target.closest("[data-rich]")) paste(event);
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && ["s", "enter"].includes(event.key.toLowerCase())) {
      event.preventDefault();
      save();
    }
  });
  window.addEventListener("beforeunload", (event) => {
    if (dirty) event.preventDefault();
  });
}
