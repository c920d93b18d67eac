/** Columns and density: the dialog that chooses them, and the strip of arrivals that has the same. */
import { watchDialog } from "../app/dialog.js";
import { toast } from "../app/toasts.js";
import * as list from "./list.js";

const ITEM = "li[data-column]";
const dialog = () => document.querySelector(".appearance-dialog");

/** Why the dialog does not show what was asked for; 0 is no answer at all. */
export function trouble(status) {
  return status
    ? `The portal answered with an error (${status}). The columns were not changed.`
    : "The portal cannot be reached. The columns were not changed.";
}

/** Gives the strip the columns of the list. False where it had others: its rows do not fit. */
export function matchStrip() {
  const [from, to] = [list.element("studies"), list.element("arrived-table")];
  if (!from) return true;
  const same = to.dataset.columns === from.dataset.columns;
  to.className = from.className;
  to.dataset.columns = from.dataset.columns;
  const heads = [...from.tHead.rows[0].cells].map((cell) => {
    const head = document.createElement("th");
    const words = document.createElement("span");
    head.scope = "col";
    head.className = cell.className;
    words.className = "unseen";
    words.textContent = cell.textContent.trim();
    head.append(words);
    return head;
  });
  list.element("arrived-heads").replaceChildren(...heads);
  return same;
}

function say(item) {
  const all = [...item.parentElement.querySelectorAll(ITEM)];
  const place = all.indexOf(item) + 1;
  dialog().querySelector("[data-columns-said]").textContent =
    `${item.dataset.column}: ${place} of ${all.length}`;
}

function move(button) {
  const item = button.closest(ITEM);
  const left = button.dataset.move === "-1";
  const neighbour = left ? item.previousElementSibling : item.nextElementSibling;
  if (!neighbour) return;
  neighbour[left ? "before" : "after"](item);
  button.focus();
  item.scrollIntoView({ block: "nearest" });
  say(item);
}

/** The dragged column goes before or after the one under the pointer, by its middle. */
function over(event, dragged) {
  const under = event.target.closest?.(ITEM);
  if (!under || under.parentElement !== dragged.parentElement) return;
  event.preventDefault();
  if (under === dragged) return;
  const { top, height } = under.getBoundingClientRect();
  under[event.clientY < top + height / 2 ? "before" : "after"](dragged);
}

function watchDragging(box) {
  let dragged = null;
  box.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.(ITEM) ?? null;
    if (!dragged) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.column);
    dragged.classList.add("is-dragged");
  });
  box.addEventListener("dragover", (event) => dragged && over(event, dragged));
  box.addEventListener("drop", (event) => dragged && event.preventDefault());
  box.addEventListener("dragend", () => {
    dragged?.classList.remove("is-dragged");
    if (dragged) say(dragged);
    dragged = null;
  });
}

function watch(refresh, box) {
  box.addEventListener("click", (event) => {
    const button = event.target.closest("[data-move]");
    if (button) move(button);
  });
  watchDragging(box);
}

/** What was kept shows in the list at once. */
function shown() {
  const box = dialog();
  if (!box.querySelector("form[data-kept]")) return;
  box.close();
  list
    .refresh()
    .then(() => toast("The list has your columns.", { kind: "ok" }))
    .catch(() => undefined);
}

export function watchAppearance() {
  watchDialog(list.element("appearance"), {
    path: "/worklist/appearance/",
    title: "appearance-title",
    className: "keys-dialog appearance-dialog",
    trouble,
    watch,
    shown,
  });
}
