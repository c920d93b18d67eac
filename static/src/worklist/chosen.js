/** Several studies at once: boxes of the rows, `x`, and the bar that says what to do with them. */
import { csrfToken } from "../app/csrf.js";
import { toLogin } from "../app/login.js";
import { toast } from "../app/toasts.js";
import * as list from "./list.js";

const PATH = "/api/studies/together/";
export const MOST = 100;
const chosen = new Set();
let last = null;
let busy = false;

const boxOf = (row) => row.querySelector("[data-choose]");
const studies = (count) => (count === 1 ? "1 study" : `${count} studies`);

/** What is said of an answer: how many were done, and each reason why others were not. */
export function outcome({ done, refused }) {
  const said = done.length ? `Done for ${studies(done.length)}.` : "Nothing was changed.";
  const reasons = new Map();
  for (const { words } of refused) reasons.set(words, (reasons.get(words) ?? 0) + 1);
  const others = [...reasons].map(([words, count]) => `${studies(count)} left as before: ${words}`);
  return [said, ...others].join(" ");
}

/** The words for an answer that is none; 0 is no answer at all. */
export function failure(status, detail) {
  if (!status) return "The portal could not be reached. Look at the list before you try again.";
  if (status === 403 && detail) return detail;
  return `The portal answered with an error (${status}). Look at the list before you try again.`;
}

function show() {
  const bar = list.element("chosen");
  bar.hidden = chosen.size === 0;
  list.element("chosen-count").textContent = `${studies(chosen.size)} chosen`;
  for (const row of list.allRows()) {
    const is = chosen.has(row.dataset.study);
    row.classList.toggle("is-chosen", is);
    const box = boxOf(row);
    if (box && box.checked !== is) box.checked = is;
  }
}

function clear() {
  chosen.clear();
  last = null;
  show();
}

function set(row, is) {
  if (!boxOf(row)) return true;
  if (is && chosen.size >= MOST && !chosen.has(row.dataset.study)) return false;
  if (is) chosen.add(row.dataset.study);
  else chosen.delete(row.dataset.study);
  return true;
}

/** Chooses a row or takes it out; `through` does it with all rows since the last one. */
export function choose(row, { through = false } = {}) {
  if (!row) return toast("Choose a study first, with the arrow keys.");
  if (!boxOf(row)) return toast("Only people who work at the site of this study change it.");
  const is = !chosen.has(row.dataset.study);
  const all = list.allRows();
  const from = through ? all.findIndex((each) => each.dataset.study === last) : -1;
  const to = all.indexOf(row);
  const rows = from < 0 ? [row] : all.slice(Math.min(from, to), Math.max(from, to) + 1);
  const fits = rows.map((each) => set(each, is)).every(Boolean);
  last = row.dataset.study;
  show();
  return fits ? undefined : toast(`At most ${MOST} studies at once.`);
}

/** Chooses every study of the page, or none where all are chosen. */
export function chooseAll() {
  const rows = list.rows().filter(boxOf);
  if (rows.every((row) => chosen.has(row.dataset.study))) return clear();
  for (const row of rows) set(row, true);
  return show();
}

/** Lets go of all. True where there was something. */
export function chooseNone() {
  const had = chosen.size > 0;
  clear();
  return had;
}

async function send(body) {
  try {
    const answered = await fetch(PATH, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
      body: JSON.stringify(body),
    });
    if (answered.status === 401) toLogin();
    return { status: answered.status, answer: await answered.json() };
  } catch {
    return { status: 0, answer: {} };
  }
}

async function act(button, said) {
  if (busy || !chosen.size) return;
  busy = true;
  button.setAttribute("aria-busy", "true");
  const { status, answer } = await send({ studies: [...chosen].map(Number), ...said });
  button.removeAttribute("aria-busy");
  busy = false;
  if (status === 200) {
    toast(outcome(answer), {
      kind: answer.refused.length ? "warn" : "ok",
      milliseconds: answer.refused.length ? 10_000 : 5000,
    });
    for (const study of answer.done) chosen.delete(String(study));
    show();
  } else if (status !== 401)
    toast(failure(status, answer.detail), { kind: "stat", milliseconds: 8000 });
  await list.refetch();
}

/** What was chosen and is not in the list any more is let go: nobody changes what is not seen. */
function settle() {
  const there = new Set(list.allRows().map((row) => row.dataset.study));
  for (const study of chosen) if (!there.has(study)) chosen.delete(study);
  show();
}

function said(button) {
  const { together, value } = button.dataset;
  if (together === "priority") return { do: together, priority: Number(value) };
  if (together === "assign") return { do: together, user: value ? Number(value) : null };
  return { do: together };
}

export function watchChosen() {
  const bar = list.element("chosen");
  if (!bar) return;
  document.addEventListener(
    "click",
    (event) => {
      const box = event.target.closest?.("[data-choose]");
      if (!box) return;
      // The rows decide what is chosen; the box shows it.
      event.stopPropagation();
      const row = box.closest("tr");
      choose(row, { through: event.shiftKey });
      setTimeout(show);
    },
    { capture: true },
  );
  bar.addEventListener("click", (event) => {
    const button = event.target.closest("[data-together]");
    if (!button) return;
    button.closest("details")?.removeAttribute("open");
    act(button, said(button));
  });
  list.element("chosen-none").addEventListener("click", () => {
    clear();
    document.querySelector("tr.is-current .c-patient a")?.focus({ preventScroll: true });
  });
  new MutationObserver(settle).observe(list.element("list"), { childList: true, subtree: true });
}
