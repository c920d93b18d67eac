/** Reading from the list: next unread, the buttons of a row, the dialog of its notes. */
import { toast } from "../app/toasts.js";
import { watchNotesDialog } from "../reading/notes.js";
import * as requests from "../reading/requests.js";
import * as list from "./list.js";

const NOTHING = "Nothing is waiting to be read.";
const NOTHING_HERE = "No unread study has this modality and site. Clear the filters for others.";

/** What of the filters also narrows the next unread study. */
export function wantedOf(form) {
  const values = (name) => form.getAll(name);
  const wanted = {};
  if (values("modality").length) wanted.modalities = values("modality");
  if (values("site").length) wanted.sites = values("site").map(Number);
  return wanted;
}

let busy = false;

/** One request at a time: a key that is held down claims one study. */
async function once(work) {
  if (busy) return;
  busy = true;
  try {
    await work();
  } finally {
    busy = false;
  }
}

const complain = (text) => toast(text, { kind: "stat", milliseconds: 8000 });

/** Claims the next unread study and opens it with its report. */
export function readNext() {
  const button = list.element("next-unread");
  return once(async () => {
    button.setAttribute("aria-busy", "true");
    const wanted = wantedOf(new FormData(list.element("filters")));
    const result = await requests.nextUnread(wanted);
    button.removeAttribute("aria-busy");
    if (result.status === 200) location.assign(result.answer.url);
    else if (result.status === 204) toast(Object.keys(wanted).length ? NOTHING_HERE : NOTHING);
    else complain(requests.trouble(result));
  });
}

/** Asks whether to take a study away from its reader. */
function sure(button) {
  const dialog = list.element("take-over");
  list.element("take-over-text").textContent =
    `${button.dataset.reader} is reading it and will be told. What is written so far is kept.`;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => {
        if (button.isConnected) button.focus();
        resolve(dialog.returnValue === "yes");
      },
      { once: true },
    );
  });
}

const WAYS = { claim: requests.claim, release: requests.release, "take-over": requests.takeOver };

async function press(button, changed) {
  const { study } = button.closest("tr").dataset;
  const way = button.dataset.read;
  if (way === "take-over" && !(await sure(button))) return;
  await once(async () => {
    button.setAttribute("aria-busy", "true");
    const result = await WAYS[way](study);
    button.removeAttribute("aria-busy");
    if (result.status !== 200) complain(requests.trouble(result));
    else if (way !== "release") return location.assign(result.answer.url);
    else toast("Released: unread again.");
    changed(Number(study));
    return undefined;
  });
}

const focusOn = (row) => row && list.linkOf(row).focus({ preventScroll: true });
const opener = document.createElement("button");
let noted = null;

/** Opens the notes of the marked row. */
export function openNotes(row) {
  // Who may choose a study may note: the button is where its column is.
  if (!row.querySelector("[data-choose]")) return;
  noted = row.dataset.study;
  opener.click();
}

/** `changed(study)` asks for a row anew, without waiting for the event. */
export function watchReading({ changed }) {
  list.element("next-unread")?.addEventListener("click", readNext);
  document.addEventListener("click", (event) => {
    // What came under the pointer just now was not meant (main.js).
    if (event.defaultPrevented) return;
    const read = event.target.closest?.("[data-read]");
    if (read) press(read, changed);
    const notes = event.target.closest?.("[data-notes]");
    if (notes) openNotes(notes.closest("tr"));
  });
  watchNotesDialog(opener, () => noted, {
    closed: () => focusOn(list.rowsOf(noted)[0]),
  });
}
