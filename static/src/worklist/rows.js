/** Rows that come, change and go, without anything moving under the pointer. */
import * as list from "./list.js";
import { decide, placeOf, stripOrder } from "./placement.js";

const STRIP_SIZE = 5;
const FADE = 2600;

const pointer = { x: -1, y: -1 };
/** Studies that arrived since the list was asked for and that it does not show in their place. */
const waiting = new Set();
const held = new Map();

const hovered = (id) => list.element(id)?.matches(":hover") ?? false;

function flash(row, name) {
  row.classList.add(name);
  setTimeout(() => row.classList.remove(name), FADE);
}

/** A click that was meant for what was here before must not open what came (main.js asks). */
function guard(row) {
  const { left, right, top, bottom } = row.getBoundingClientRect();
  const inside = pointer.x >= left && pointer.x <= right && pointer.y >= top && pointer.y <= bottom;
  if (inside) row.dataset.cameUnder = String(performance.now());
}

export function cameUnderPointer(row) {
  return performance.now() - Number(row.dataset.cameUnder ?? -1e9) < 500;
}

/** How the link or button of a row that has the focus is found in a newer row. */
function placeOfFocus(row) {
  const active = row.contains(document.activeElement) && document.activeElement;
  if (!active) return null;
  const kind = ["complete", "notes", "read"].find((name) => name in active.dataset);
  return kind ? `[data-${kind}]` : ".c-patient a";
}

/** Puts a newer row in the place of the one shown; focus and mark stay. */
function replace(old, fresh) {
  const focused = placeOfFocus(old);
  const changed = old.textContent !== fresh.textContent;
  const current = old.classList.contains("is-current");
  fresh.classList.toggle("is-current", current);
  const { tabIndex } = list.linkOf(old);
  for (const stop of fresh.querySelectorAll("a, button")) stop.tabIndex = tabIndex;
  if (old.dataset.cameUnder) fresh.dataset.cameUnder = old.dataset.cameUnder;
  if (old.classList.contains("row-new")) flash(fresh, "row-new");
  else if (changed) flash(fresh, "row-changed");
  old.replaceWith(fresh);
  if (focused) {
    const stop = fresh.querySelector(focused) ?? list.linkOf(fresh);
    stop.focus({ preventScroll: true });
  }
}

function recount(by) {
  const count = list.element("list-count");
  const { first, last, count: all } = count.dataset;
  count.dataset.last = String(Number(last) + by);
  const start = Math.max(1, Number(first));
  const words = (number) => Number(number).toLocaleString("en-US");
  const total = all === "" ? "more than 10,000" : words(Number(all) + by);
  if (all !== "") count.dataset.count = String(Number(all) + by);
  count.textContent = `${words(start)}–${words(count.dataset.last)} of ${total}`;
}

function endInView() {
  const last = list.rows().at(-1)?.getBoundingClientRect();
  const frame = list.element("scroller").getBoundingClientRect();
  return Boolean(last) && last.bottom + last.height <= frame.bottom;
}

/** Brings a study on the page that was not there. Nothing to do where the list must be asked. */
function bring(row) {
  const { number, hasNext, descending } = list.page();
  const shown = list.rows().filter((each) => !each.classList.contains("row-gone"));
  if (!list.element("rows")) return void list.refetch();
  const place = placeOf(list.keyOf(row), {
    keys: shown.map(list.keyOf),
    page: number,
    hasNext,
    descending,
  });
  const scroller = list.element("scroller");
  const way = decide(place, {
    pointerInside: hovered("scroller"),
    topInView: scroller.scrollTop === 0,
    endInView: endInView(),
  });
  list.linkOf(row).tabIndex = -1;
  flash(row, "row-new");
  if (way === "strip") return void toStrip(row);
  list.element("rows")[way === "insert-top" ? "prepend" : "append"](row);
  guard(row);
  recount(1);
  return undefined;
}

const rankOf = (row) => ({
  stat: row.dataset.priority === "0",
  received: Number(row.dataset.received),
});

function toStrip(row) {
  const { study } = row.dataset;
  waiting.add(study);
  const shown = list.arrivals();
  const below = shown.find((each) => stripOrder(rankOf(row), rankOf(each)) < 0);
  if (shown.length >= STRIP_SIZE && (!below || hovered("arrived"))) {
    if (below) held.set(study, row);
  } else {
    // The strip stands on the foot: what is added on top moves nothing below it.
    if (below) below.before(row);
    else list.element("arrived-rows").append(row);
    for (const extra of list.arrivals().slice(STRIP_SIZE)) extra.remove();
    list.element("arrived").hidden = false;
    guard(row);
  }
  showPill();
}

function showPill() {
  const pill = list.element("new-pill");
  pill.hidden = waiting.size === 0;
  list.element("new-count").textContent = `${waiting.size} new – refresh`;
}

/** Takes a row away; while the pointer is in the list it stays, crossed out. */
function dismiss(row) {
  row.classList.add("row-gone");
  row.title = "No longer on this list";
  if (!hovered("scroller") && !hovered("arrived")) setTimeout(sweep, 400);
}

/** Removes what is crossed out and shows what was held back, once the pointer is elsewhere. */
export function sweep() {
  if (hovered("scroller") || hovered("arrived")) return;
  for (const row of document.querySelectorAll("tr.row-gone")) {
    const inList = row.closest("#rows") !== null;
    if (row.contains(document.activeElement)) {
      const next = row.nextElementSibling ?? row.previousElementSibling;
      if (next) list.linkOf(next).focus({ preventScroll: true });
    }
    row.remove();
    if (inList) recount(-1);
  }
  for (const row of held.values()) toStrip(row);
  held.clear();
  list.element("arrived").hidden = list.arrivals().length === 0;
  if (list.element("rows") && !list.rows().length) list.refetch();
}

/**
 * Brings what the server now says of a study onto the page.
 *
 * @param {number} study
 * @param {HTMLTableRowElement | null} fresh its row, null where the list does not show it
 * @param {boolean} isNew whether an event said that it was received
 */
export function apply(study, fresh, isNew) {
  const shown = list.rowsOf(study);
  if (!fresh) {
    shown.forEach(dismiss);
    if (waiting.delete(String(study))) showPill();
    held.delete(String(study));
    return "hidden";
  }
  if (shown.length) {
    shown.forEach((row, place) => replace(row, place ? list.copyOf(fresh) : fresh));
    return "shown";
  }
  if (held.has(String(study))) {
    held.set(String(study), fresh);
    return "shown";
  }
  if (!isNew && Number(fresh.dataset.received) < list.page().rendered) return "elsewhere";
  bring(fresh);
  list.element("news").textContent = "A new study has arrived.";
  return "shown";
}

/** Empties the strip: the person asked for the list anew, or closed it. */
export function clearStrip() {
  waiting.clear();
  held.clear();
  list.element("arrived-rows").replaceChildren();
  list.element("arrived").hidden = true;
  showPill();
}

/** After the list was replaced behind the person's back: what is in its place leaves the strip. */
export function settleStrip() {
  const inPlace = new Set(list.rows().map((row) => row.dataset.study));
  for (const row of list.arrivals()) {
    if (inPlace.has(row.dataset.study)) row.remove();
  }
  for (const study of inPlace) {
    waiting.delete(study);
    held.delete(study);
  }
  list.element("arrived").hidden = list.arrivals().length === 0;
  showPill();
}

export function watchPointer() {
  document.addEventListener(
    "pointermove",
    ({ clientX, clientY }) => {
      pointer.x = clientX;
      pointer.y = clientY;
    },
    { passive: true },
  );
  for (const id of ["list", "arrived"]) {
    list.element(id).addEventListener("pointerleave", () => setTimeout(sweep, 250));
  }
}
