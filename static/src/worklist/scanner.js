/** Scanners: one that types like a keyboard, or one of an agent that this session has taken. */
import { csrfToken } from "../app/csrf.js";
import { watchDialog } from "../app/dialog.js";
import { toLogin } from "../app/login.js";
import { toast } from "../app/toasts.js";
import { showState } from "./filters.js";
import * as list from "./list.js";
import { shortcut } from "./keys.js";
import { Wedge } from "./wedge.js";

const LOST = "The scanner now serves another worklist.";
let mine = null;

/** Why the dialog does not show what was asked for; 0 is no answer at all. */
function trouble(status) {
  return status
    ? `The portal answered with an error (${status}). The scanner was not changed.`
    : "The portal cannot be reached. The scanner was not changed.";
}

/** Searches for the number that was read, in all states and dates: never opens a study. */
export function search(code) {
  const form = list.element("filters");
  for (const box of form.querySelectorAll("input[type=checkbox]")) box.checked = false;
  for (const [name, value] of [
    ["q", `=${code}`],
    ["state", "all"],
    ["date", "all"],
    ["arrival", ""],
  ]) {
    form.elements[name].value = value;
  }
  showState();
  list.refilter();
  toast(`Scanned: ${code}`);
}

/** A scan for this session: what was read is asked for, the event does not hold it. */
async function read(event) {
  try {
    const answer = await fetch(`/scanners/scans/${event}/`, {
      method: "POST",
      headers: { "X-CSRFToken": csrfToken(), "X-Background": "1" },
    });
    if (answer.status === 401) return toLogin();
    if (answer.ok) return search((await answer.json()).code);
    return toast("A scan came too late and was left out. Scan again.", { kind: "warn" });
  } catch {
    return toast("What was scanned could not be fetched. Scan again.", { kind: "warn" });
  }
}

async function askMine({ quietly = false } = {}) {
  try {
    const answer = await fetch("/scanners/mine/", { headers: { "X-Background": "1" } });
    if (!answer.ok) return;
    const { scanner } = await answer.json();
    if (mine && !scanner && !quietly) toast(LOST, { kind: "warn", milliseconds: 10_000 });
    mine = scanner;
    list.element("scanner-name").textContent = scanner ? `Scanner: ${scanner}` : "Scanner";
    list.element("scanner").classList.toggle("is-set", Boolean(scanner));
  } catch {
    // Not reachable: the next change asks again.
  }
}

/** An event of the worklist's socket. */
export function scannerEvent(message) {
  if (message.type === "scan.read") read(message.event);
  else if (message.type === "agent.changed" && mine) askMine();
}

function watchWedge() {
  const wedge = new Wedge({ onScan: search, onKey: shortcut });
  addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      if (document.querySelector("dialog[open]")) return;
      if (event.target.closest?.("input, select, textarea, details[open], [contenteditable]"))
        return;
      if (!wedge.press(event.key, event.timeStamp, event.repeat)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    { capture: true },
  );
}

export function watchScanners() {
  watchWedge();
  const button = list.element("scanner");
  if (!button) return;
  watchDialog(button, {
    path: "/scanners/",
    title: "scanner-title",
    className: "scanner-dialog",
    trouble,
    shown: () => askMine({ quietly: true }),
  });
  askMine({ quietly: true });
}
