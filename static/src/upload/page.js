/** The upload desk: choose, check, send, and what became of every file. */
import { stayWhile } from "../app/holding.js";
import { sessionState } from "../app/lock.js";
import { toLogin } from "../app/login.js";
import { chosen, dropped, gathered } from "./gather.js";
import { showPatients } from "./patients.js";
import { patientsOf, warningsOf } from "./plan.js";
import { asked, contentOf, posting } from "./post.js";
import { headersOf, unpackedOf } from "./reader.js";
import { Sender } from "./sending.js";
import { forget, remember, remembered } from "./unfinished.js";
import { virtualTable } from "./table.js";
import { counted, lasting, nameOf, sizeOf, STATES } from "./words.js";

const HEADERS = 64;
const IMAGES = 1000;
const STUDIES = 200;
const REDRAW = 150;
const SESSION_AGAIN = 2000;
const SHOWS = {
  all: { title: "All", has: () => true },
  trouble: { title: "With trouble", has: ({ state }) => STATES[state].kind === "trouble" },
  left: { title: "Left out", has: ({ state }) => state === "left" },
  waiting: { title: "Not yet sent", has: ({ state }) => STATES[state].kind === "waiting" },
  good: { title: "Stored or already here", has: ({ state }) => STATES[state].kind === "good" },
};
const byId = (id) => document.getElementById(`upload-${id}`);
const { largest } = document.getElementById("content").dataset;

let items = [];
let phase = "empty"; // then reading, check, sending, done
let patients = [];
let began = 0;
let beganBytes = 0;
let timer = 0;
let spoken = 0;
let prior = false;
let stopping = false;

const table = virtualTable(
  byId("table"),
  [
    { title: "Result", className: "upload-result", text: resultOf },
    { title: "File", className: "upload-name", text: ({ name }) => name, bidi: true },
    { title: "Size", className: "upload-size numbers", text: ({ size }) => sizeOf(size) },
    {
      title: "Patient",
      className: "upload-who",
      text: ({ facts }) => (facts ? nameOf(facts.patientName) : ""),
      bidi: true,
    },
    { title: "What is to say", className: "upload-words", text: ({ words }) => words },
  ],
  ({ state }) => STATES[state].kind,
);

const sender = new Sender({
  post: posting(() => ({ site: byId("site").value, prior })),
  content: async ({ blob, entry }) => contentOf(entry ? await unpackedOf(blob, entry) : blob),
  check: (item) => lookUp([item]),
  changed: redrawSoon,
  loggedOut,
});

/** A locked session is covered at once. One that is back already, as in another window, goes on. */
function loggedOut() {
  toLogin();
  setTimeout(async () => {
    const state = await sessionState().catch(() => null);
    if (state && !state.locked && !state.isOther && sender.halted) sender.goOn();
  }, SESSION_AGAIN);
}

function resultOf({ state, sent, size }) {
  const word = STATES[state].word;
  return state === "sending" && size ? `${word} ${Math.floor((100 * sent) / size)} %` : word;
}

function tally() {
  const counts = { bytes: 0, sent: 0, toSend: 0, finished: 0 };
  for (const state of Object.keys(STATES)) counts[state] = 0;
  for (const { state, size, sent } of items) {
    counts[state] += 1;
    if (state === "left") continue;
    counts.toSend += 1;
    counts.bytes += size;
    counts.sent += sent;
    if (STATES[state].kind !== "waiting") counts.finished += 1;
  }
  counts.trouble = counts.quarantined + counts.refused;
  return counts;
}

function say(text) {
  byId("status").textContent = text;
}

function fail(text) {
  byId("error").textContent = text;
  byId("error").hidden = !text;
}

function redrawSoon() {
  if (timer) return;
  timer = setTimeout(() => {
    timer = 0;
    redraw();
  }, REDRAW);
}

function shown() {
  const filter = SHOWS[byId("show").value] ?? SHOWS.all;
  return items.filter(filter.has);
}

function redrawFilters(counts) {
  const select = byId("show");
  const numbers = {
    all: items.length,
    trouble: counts.trouble,
    left: counts.left,
    waiting: counts.ready + counts.sending + counts.waiting,
    good: counts.stored + counts.duplicate,
  };
  for (const [value, { title }] of Object.entries(SHOWS)) {
    const option =
      select.querySelector(`[value=${value}]`) ?? select.appendChild(new Option("", value));
    const text = `${title} (${numbers[value]})`;
    if (option.textContent !== text) option.textContent = text;
  }
}

function redrawProgress(counts) {
  byId("bar").value = counts.bytes
    ? counts.sent / counts.bytes
    : counts.finished / (counts.toSend || 1);
  const left = counts.bytes - counts.sent;
  const speed = (counts.sent - beganBytes) / ((performance.now() - began) / 1000);
  const rest = left > 0 && speed > 0 && !sender.cut ? ` · ${lasting(left / speed)} left` : "";
  byId("numbers").textContent =
    `${counts.finished} of ${counted(counts.toSend, "file")} · ${sizeOf(counts.sent)} of ${sizeOf(counts.bytes)}${phase === "sending" ? rest : ""}`;
  const trouble = sender.halted || (sender.paused && "Paused.") || sender.cut || "";
  if (byId("cut").textContent !== trouble) byId("cut").textContent = trouble;
  byId("cut").hidden = !trouble;
  byId("pause").textContent =
    sender.halted || sender.paused ? "Go on" : sender.cut ? "Try now" : "Pause";
  // Read out loud: not every file, but that it moves.
  if (phase === "sending" && performance.now() - spoken > 15_000) {
    spoken = performance.now();
    say(trouble || `Sending: ${counts.finished} of ${counted(counts.toSend, "file")} done.`);
  }
}

function redraw() {
  const counts = tally();
  redrawFilters(counts);
  table.show(shown());
  byId("list").hidden = items.length === 0;
  byId("progress").hidden = !["sending", "done"].includes(phase);
  byId("plan").hidden = !["check", "sending", "done"].includes(phase) || patients.length === 0;
  byId("confirm").hidden = phase !== "check";
  byId("choose").hidden = ["reading", "sending"].includes(phase);
  byId("pause").hidden = phase !== "sending";
  byId("clear").hidden = !["check", "done"].includes(phase);
  byId("again").hidden = phase !== "done" || counts.refused === 0;
  byId("send").hidden = phase !== "check" || counts.ready === 0;
  byId("send").textContent = `Send ${counted(counts.ready, "file")}`;
  byId("site").disabled = phase !== "empty";
  byId("stop").hidden = !["reading", "sending"].includes(phase);
  byId("stop").disabled = stopping;
  byId("unfinished").hidden = phase !== "empty" || !byId("unfinished").textContent;
  if (phase !== "empty" && phase !== "reading") redrawProgress(counts);
  if (phase === "sending") {
    remember({ site: byId("site").value, left: counts.toSend - counts.finished });
  }
}

function to(next) {
  phase = next;
  if (next === "done" || next === "check") {
    forget();
    byId("unfinished").textContent = "";
  }
  document.documentElement.dataset.upload = next;
  redraw();
}

async function lookUp(some) {
  const arrived = new Map();
  const uids = [...new Set(some.map(({ facts }) => facts.sopInstanceUid))];
  for (let at = 0; at < uids.length; at += IMAGES) {
    const instances = uids.slice(at, at + IMAGES);
    const answer = await asked({ site: byId("site").value, instances });
    for (const one of answer.arrived) {
      if (!arrived.has(one.sop_instance_uid)) arrived.set(one.sop_instance_uid, []);
      arrived.get(one.sop_instance_uid).push(one);
    }
  }
  for (const item of some) item.arrived = arrived.get(item.facts.sopInstanceUid) ?? [];
}

async function lookUpStudies() {
  const wanted = patients.flatMap((patient) =>
    patient.studies.map((study) => ({ patient, study })),
  );
  for (let at = 0; at < wanted.length; at += STUDIES) {
    const some = wanted.slice(at, at + STUDIES);
    const studies = some.map(({ patient, study }) => ({
      study_instance_uid: study.uid,
      patient_id: patient.patientId.slice(0, 64),
    }));
    const answer = await asked({ site: byId("site").value, studies });
    some.forEach(({ study }, number) => {
      study.place = answer.studies[number];
    });
  }
}

async function readHeaders(found) {
  let some = [];
  let read = 0;
  async function flush() {
    const batch = some;
    some = [];
    const headers = await headersOf(batch.map(({ blob, entry }) => ({ blob, entry })));
    batch.forEach((item, at) => {
      const { facts, left } = headers[at];
      if (facts && item.size > Number(largest))
        leave(item, "It is larger than the portal accepts.");
      else if (facts) Object.assign(item, { facts, state: "ready" });
      else leave(item, left);
    });
    read += batch.length;
    say(`Reading headers: ${counted(read, "file")} so far.`);
    redrawSoon();
  }
  for await (const one of found) {
    const item = { words: "", sent: 0, state: "ready", ...one };
    items.push(item);
    if (one.left) leave(item, one.left);
    else some.push(item);
    if (some.length >= HEADERS) await flush();
    if (stopping) return;
  }
  if (some.length > 0) await flush();
}

function leave(item, why) {
  item.state = "left";
  item.words = why;
}

function redrawPlan() {
  let warned = 0;
  for (const patient of patients) {
    for (const study of patient.studies) {
      study.warnings = warningsOf(patient, study, study.place, patients);
      warned += study.warnings.length > 0 ? 1 : 0;
    }
  }
  showPatients(byId("patients"), patients);
  const several = patients.length > 1;
  byId("several").hidden = !several;
  byId("several").textContent = `These files are of ${patients.length} patients.`;
  byId("agree").checked = false;
  byId("agree-row").hidden = !several && warned === 0;
  byId("agree-words").textContent = [
    several && `I have looked at all ${patients.length} patients`,
    warned && `${several ? "" : "I have read "}the ${warned === 1 ? "warning" : "warnings"}`,
  ]
    .filter(Boolean)
    .join(" and ");
}

async function take(found) {
  if (["reading", "sending"].includes(phase)) return;
  if (!byId("site").value) {
    fail("Choose the site first: to which hospital or practice do these images belong?");
    byId("site").focus();
    return;
  }
  fail("");
  if (phase === "done") clear();
  stopping = false;
  to("reading");
  byId("stop").focus();
  try {
    await readHeaders(gathered(found));
  } catch {
    fail("Reading stopped: the files cannot be read any more. Clear the list and try again.");
  }
  if (stopping) {
    clear();
    byId("files").focus();
    return;
  }
  await check();
}

async function check() {
  const ready = items.filter(({ state }) => state === "ready");
  patients = patientsOf(ready);
  try {
    await lookUp(ready);
    await lookUpStudies();
  } catch (error) {
    // What is here already is found out when the files are sent; warnings need the portal's word.
    fail(
      error.status
        ? `The portal did not say what it has of these studies (${error.status}): check the patients with care.`
        : "The portal cannot be reached just now: check the patients with care, sending waits until it is back.",
    );
  }
  redrawPlan();
  to("check");
  const { left } = tally();
  const beside = left ? `, ${counted(left, "file")} left out` : "";
  say(
    ready.length
      ? `${counted(ready.length, "file")} of ${counted(patients.length, "patient")} ready${beside}.`
      : `Nothing to send${beside}.`,
  );
  (ready.length ? byId("plan-title") : byId("clear")).focus();
}

async function send(some) {
  prior = byId("prior").checked;
  began = performance.now();
  beganBytes = tally().sent;
  spoken = began;
  fail("");
  byId("done").hidden = true;
  to("sending");
  say("Sending.");
  byId("pause").focus();
  stopping = false;
  await sender.send(some);
  const counts = tally();
  if (counts.ready > 0) {
    to("check");
    say(`Stopped: ${counted(counts.ready, "file")} not sent.`);
    byId("send").focus();
    return;
  }
  to("done");
  say("");
  const parts = [
    counts.stored && `${counts.stored} stored`,
    counts.duplicate && `${counts.duplicate} already here`,
    counts.quarantined && `${counts.quarantined} in quarantine`,
    counts.refused && `${counts.refused} not sent`,
    counts.left && `${counts.left} left out`,
  ].filter(Boolean);
  const done = byId("done");
  done.className = `notice ${counts.trouble ? "notice-warn" : "notice-ok"}`;
  done.textContent = `Done: ${parts.join(", ")}.${counts.quarantined ? " Somebody has to decide about those in quarantine." : ""}`;
  done.hidden = false;
  if (counts.trouble) byId("show").value = "trouble";
  redraw();
  done.focus();
}

function clear() {
  items = [];
  patients = [];
  byId("prior").checked = false;
  byId("done").hidden = true;
  byId("show").value = "all";
  fail("");
  say("");
  to("empty");
}

function watchDrop() {
  const zone = byId("drop");
  // A file that misses the zone must not replace the page.
  for (const kind of ["dragover", "drop"]) {
    document.addEventListener(kind, (event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    });
  }
  document.addEventListener("dragover", () => zone.classList.add("upload-over"));
  for (const kind of ["dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      if (kind === "drop" || event.relatedTarget === null) zone.classList.remove("upload-over");
    });
  }
  document.addEventListener("drop", (event) => {
    if (event.dataTransfer?.types.includes("Files")) take(dropped(event.dataTransfer));
  });
}

function watchInputs() {
  for (const kind of ["files", "folder"]) {
    const input = byId(`${kind}-input`);
    byId(kind).addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = "";
      if (files.length > 0) take(chosen(files));
    });
  }
}

byId("send").addEventListener("click", () => {
  if (!byId("agree-row").hidden && !byId("agree").checked) {
    fail(
      "Look at the patients and tick the box first: what is sent to a wrong patient is hard to get back.",
    );
    byId("agree").focus();
    return;
  }
  send(items.filter(({ state }) => state === "ready"));
});
byId("pause").addEventListener("click", () => {
  if (sender.halted || sender.paused || sender.cut) sender.goOn();
  else sender.pause();
});
byId("stop").addEventListener("click", () => {
  stopping = true;
  if (phase === "sending") sender.stop();
  redraw();
});
byId("again").addEventListener("click", () => {
  const refused = items.filter(({ state }) => state === "refused");
  for (const item of refused)
    Object.assign(item, { state: "ready", words: "", sent: 0, unsure: true });
  send(refused);
});
byId("clear").addEventListener("click", () => {
  clear();
  byId("files").focus();
});
byId("show").addEventListener("change", redraw);
window.addEventListener("online", () => sender.cut && sender.goOn());
window.addEventListener("beforeunload", (event) => {
  if (phase === "sending") event.preventDefault();
});
stayWhile(() => phase === "sending" || phase === "check");
document.addEventListener("session-over", () => {
  if (phase === "sending")
    sender.halted = "You were logged out. Log in again in another window, then go on.";
  else fail("You were logged out. Log in again in another window, then go on here.");
  redraw();
});
function tellUnfinished() {
  const found = remembered();
  if (!found) return;
  if ([...byId("site").options].some(({ value }) => value === found.site))
    byId("site").value = found.site;
  byId("unfinished").textContent =
    `This page was closed while ${counted(found.left, "file")} waited. Choose the same files or folder again: what arrived is not sent again.`;
}

document.addEventListener("session-unlocked", () => {
  fail("");
  if (sender.halted) sender.goOn();
});
watchDrop();
watchInputs();
tellUnfinished();
redraw();
document.documentElement.dataset.page = "ready";
