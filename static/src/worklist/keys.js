/** The keyboard: rows, search, pages, help. */
import { toast } from "../app/toasts.js";
import { choose, chooseAll, chooseNone } from "./chosen.js";
import * as list from "./list.js";
import { togglePreview } from "./preview.js";
import { openNotes, readNext } from "./reading.js";

const current = () => document.querySelector("tr.is-current");
const stops = (row) => row.querySelectorAll("a[href], button");

function setTabStop(row, is) {
  for (const stop of stops(row)) stop.tabIndex = is ? 0 : -1;
}

/** Marks a row as the one the keys act on; only its link and button are in the tab order. */
export function select(row) {
  for (const each of document.querySelectorAll("tr.is-current")) {
    if (each !== row) each.classList.remove("is-current");
  }
  for (const each of list.allRows()) setTabStop(each, each === row);
  row?.classList.add("is-current");
}

/** Keeps one row in the tab order after the list has changed. */
export function keepTabStop(study) {
  const row = list.rowsOf(study)[0] ?? null;
  select(row);
  if (!row && list.rows()[0]) setTabStop(list.rows()[0], true);
}

function go(row) {
  if (!row) return;
  select(row);
  list.linkOf(row).focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function step(by) {
  const all = list.allRows();
  const at = all.indexOf(current());
  if (at < 0) go(by > 0 ? all[0] : all.at(-1));
  else go(all[Math.min(all.length - 1, Math.max(0, at + by))]);
}

function nextUnread() {
  if (list.element("next-unread")) return void readNext();
  const all = list.allRows();
  const after = all.indexOf(current()) + 1;
  const row = [...all.slice(after), ...all.slice(0, after)].find(
    (each) => each.dataset.state === "unread" && !each.classList.contains("row-gone"),
  );
  if (!row) return toast("No unread study on this page.");
  select(row);
  return location.assign(list.linkOf(row).href);
}

function toSearch() {
  const search = list.element("search");
  search.focus();
  search.select();
}

/** Says that the marked study is complete, or takes that back, where the person may. */
function complete() {
  const row = current();
  if (!row) return toast("Choose a study first, with the arrow keys.");
  const button = row.querySelector("[data-complete]");
  if (button) return button.click();
  if (list.element("content").matches(".judges") && !row.querySelector(".c-arrival")) {
    return toast("The column Arrival is not shown: v brings it back, x chooses studies.");
  }
  return toast("Only technicians and administrators of the site say that a study is complete.");
}

/** The notes of the marked study. */
function notes() {
  const row = current();
  if (row) openNotes(row);
  else toast("Choose a study first, with the arrow keys.");
}

const press = (selector) => document.querySelector(selector)?.click();
const help = () => list.element("keys").showModal();

/** Opens the menu of saved filters at its first entry. */
function savedMenu() {
  const menu = list.element("saved");
  menu.open = true;
  menu.querySelector("a, input:not([type=hidden])").focus();
}

const KEYS = {
  j: () => step(1),
  ArrowDown: () => step(1),
  k: () => step(-1),
  ArrowUp: () => step(-1),
  Home: () => go(list.allRows()[0]),
  End: () => go(list.allRows().at(-1)),
  "/": toSearch,
  r: nextUnread,
  c: complete,
  x: () => choose(current()),
  a: chooseAll,
  p: togglePreview,
  s: savedMenu,
  t: notes,
  v: () => list.element("appearance").click(),
  n: () => list.refresh(),
  "[": () => press("#list-foot a[rel=prev]"),
  "]": () => press("#list-foot a[rel=next]"),
  "?": help,
};

function inSearch(event) {
  const search = list.element("search");
  if (event.key === "ArrowDown") {
    event.preventDefault();
    go(current() ?? list.rows()[0]);
  } else if (event.key === "Escape") {
    event.preventDefault();
    if (search.value) {
      search.value = "";
      search.dispatchEvent(new Event("input", { bubbles: true }));
    } else search.blur();
  }
}

/** Does what a key of the worklist stands for, if it stands for something. */
export function shortcut(key) {
  KEYS[key]?.();
}

export function watchKeys() {
  list.element("keys-open").addEventListener("click", help);
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.target === list.element("search")) return void inSearch(event);
    if (event.target.closest("input:not([data-choose]), select, textarea, details[open]")) return;
    if (event.key === "Enter" && current() && !event.target.closest("a, button, summary")) {
      return void location.assign(list.linkOf(current()).href);
    }
    if (event.key === "Escape" && chooseNone()) return void event.preventDefault();
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest("tr[data-study]");
    if (row && !row.classList.contains("is-current")) select(row);
  });
}
