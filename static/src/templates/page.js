/** Templates and macros: the lists and the forms. */
import { toLogin } from "../app/login.js";
import { watchForm } from "./form.js";

const typing = (target) => target.matches?.("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (event.key === "/") {
    const field = document.getElementById("library-words");
    if (!field) return;
    event.preventDefault();
    field.focus();
    field.select();
  } else if (event.key === "n") {
    document.querySelector("[data-new]")?.click();
  }
});

for (const kind of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(kind, (event) => {
    const status = event.detail.xhr?.status ?? 0;
    if (status === 401) return void toLogin();
    const box = document.getElementById("library-problem");
    if (!box) return;
    box.textContent = status
      ? `The portal answered with an error (${status}). Try again.`
      : "The portal cannot be reached. Try again when it is back.";
    box.hidden = false;
  });
}
document.addEventListener("htmx:afterRequest", (event) => {
  const box = document.getElementById("library-problem");
  if (box && event.detail.successful) box.hidden = true;
});

const form = document.querySelector("[data-json-form]");
if (form) watchForm(form);
document.documentElement.dataset.page = "ready";
