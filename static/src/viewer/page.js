import { watchSession } from "../app/session.js";
import { watchDiscDialog } from "../disc/dialog.js";
import { watchReading } from "../reading/viewer.js";
import { createAnnotations } from "../reports/annotations.js";
import { watchSendDialog } from "../sends/dialog.js";
import { watchAttachments } from "../finding/attachments.js";
import { createCine } from "./cine.js";
import { createCover } from "./cover.js";
import { RequestError, createClient } from "./dicomweb.js";
import { maybePictures, whyNot } from "./displayable.js";
import { write } from "./dom.js";
import { watchCorrected } from "./corrected.js";
import { explain } from "./failures.js";
import { framesOf } from "./frames.js";
import { fillHelp } from "./help.js";
import { actionOf } from "./keys.js";
import { watchLate } from "./late.js";
import { createMagnifier } from "./magnifier.js";
import { createMarking } from "./marking.js";
import { withHistory } from "./measure/history.js";
import { watchKeeping } from "./measure/keeping.js";
import { storeMarks } from "./measure/storing.js";
import { createMeasurementList } from "./measure/panel.js";
import { createOverlay } from "./overlay.js";
import { closePopup } from "./popups.js";
import { watchPriors } from "./priors.js";
import { createRail, seriesLabel } from "./rail.js";
import { createReportSide } from "./report.js";
import { sortFrames } from "./sorting.js";
import { createToolbar } from "./toolbar.js";
import { plural } from "./wording.js";

const byId = (id) => document.getElementById(id);
const root = document.documentElement;
const element = document.querySelector("[data-viewport]");
let state = JSON.parse(byId("viewer-state").textContent);

const client = createClient({ root: state.dicomweb, studyUID: state.study.uid });
const cover = createCover(byId("cover"));
const overlay = createOverlay(byId("overlay"), state.patient);
const rail = createRail(byId("series"), { onSelect: (uid) => open(uid) });

const annotations = withHistory(createAnnotations(state.study.id, { me: state.user }), (words) =>
  reportSide.say(words),
);
const reportSide = createReportSide(byId("report"), { annotations, show: showPlace });
const marking = createMarking(element, {
  stack: () => stack,
  series: () => current,
  store: annotations,
  may: () => reportSide.mayAnnotate(),
  say: (words) => reportSide.say(words),
  on: reportSide,
});

const magnifier = createMagnifier(element, () => stack);
const toolbar = createToolbar({ stack: () => stack });
createMeasurementList(byId("measurement-list"), {
  store: annotations,
  show: (entry) => showPlace(entry),
  may: () => reportSide.mayAnnotate(),
  say: (words) => reportSide.say(words),
  removed: (id) => reportSide.measurementRemoved(id),
  count: byId("measurement-count"),
  visible: byId("measurements-visible"),
});
watchKeeping(byId("keeping"), annotations);

/** Metadata by series, as promises; those that failed are asked for again. */
const metadata = new Map();
/** Where the reader was in each series. */
const places = new Map();
let stack;
let cine;
let current;
let opening = 0;

function set(status) {
  root.dataset.viewer = status;
}

function seriesOf(uid) {
  return state.series.find((series) => series.uid === uid);
}

function metadataOf(uid) {
  if (!metadata.has(uid)) {
    const promise = client.seriesMetadata(uid);
    promise.catch(() => metadata.delete(uid));
    metadata.set(uid, promise);
  }
  return metadata.get(uid);
}

function describeShown(shown) {
  const { frame, index, count } = shown;
  Object.assign(element.dataset, {
    imageIndex: String(index),
    imageCount: String(count),
    sopInstanceUid: frame.sopInstanceUID,
    frame: String(frame.frame),
  });
  const label = `${seriesLabel(seriesOf(current))}, image ${index + 1} of ${count}`;
  const canvas = stack.canvas();
  canvas.setAttribute("role", "img");
  if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
}

function forgetShown() {
  for (const key of ["imageIndex", "imageCount", "sopInstanceUid", "frame"])
    delete element.dataset[key];
  overlay.hide();
  marking.hidden();
}

function progress(loaded, wanted, failed) {
  const bar = byId("progress");
  const done = loaded + failed >= wanted;
  bar.hidden = wanted < 2 || done;
  bar.value = loaded;
  bar.max = Math.max(1, wanted);
  const parts = [];
  if (wanted > 1 && !done) parts.push(`Loading ${loaded}/${wanted}`);
  if (failed) parts.push(`${plural(failed, "image")} could not be loaded`);
  write(byId("progress-text"), parts.join(" - "));
  byId("retry-failed").hidden = !(failed && done);
}

function fail(error, what, retry) {
  set("error");
  forgetShown();
  byId("progress").hidden = true;
  cover.error(explain(error, { what, loginURL: state.loginURL, retry }));
}

async function startStack() {
  if (stack) return stack;
  const { createStack, start } = await rendererReady();
  await start();
  // Two series opened at once share the one viewport.
  stack ??= createStack(element, {
    shown(shown) {
      cover.clear();
      set("ready");
      places.set(current, shown.index);
      describeShown(shown);
      overlay.show(shown);
      marking.shown(shown);
      byId("invert").setAttribute("aria-pressed", String(shown.inverted));
    },
    waiting(index) {
      forgetShown();
      cover.loading(`Loading image ${index + 1}`);
      set("loading");
    },
    failed(index, error) {
      cine.stop();
      fail(error, `Image ${index + 1}`, () => {
        cover.loading(`Loading image ${index + 1}`);
        set("loading");
        stack.retry();
      });
    },
    progress,
  });
  cine ??= createCine(stack, (playing, rate) => {
    byId("cine").setAttribute("aria-pressed", String(playing));
    write(byId("cine-label"), playing ? `Stop (${Math.round(rate)}/s)` : "Play");
  });
  return stack;
}

let renderer;
let started;
function rendererReady() {
  renderer ??= import("./stack.js").then(
    (module) => ({
      createStack: module.createStack,
      start: () => (started ??= module.start()),
    }),
    (error) => {
      renderer = undefined;
      throw error;
    },
  );
  return renderer;
}

/** What a series without pictures holds, by kind. */
function explainObjects(reasons) {
  const kinds = new Map();
  for (const { name, why } of reasons) {
    const kind = kinds.get(name) ?? { why, count: 0 };
    kind.count += 1;
    kinds.set(name, kind);
  }
  const entries = [...kinds];
  if (entries.length === 1) {
    const [[name, { why, count }]] = entries;
    return {
      title: `This series is ${name}`,
      lines: [why, ...(count > 1 ? [`It has ${plural(count, "object")} of this kind.`] : [])],
    };
  }
  return {
    title: "This series has no pictures",
    lines: entries.map(([name, { why, count }]) => `${count} × ${name}. ${why}`),
  };
}

/** Opens a series; a later call overtakes an earlier one. */
async function open(uid, { keep = false } = {}) {
  const series = seriesOf(uid);
  if (!series) return;
  const turn = (opening += 1);
  cine?.stop();
  current = uid;
  rail.mark(uid);
  set("loading");
  // Nothing of the series before may stay on the screen under the new name.
  forgetShown();
  byId("notice").hidden = true;
  cover.loading(`Loading ${seriesLabel(series)}`);
  try {
    const [instances] = await Promise.all([
      metadataOf(uid),
      series.pictures ? startStack() : undefined,
    ]);
    if (turn !== opening) return;
    const reasons = instances.map((instance) => whyNot(instance));
    const pictures = instances.filter((_, at) => !reasons[at]);
    const others = reasons.filter(Boolean);
    if (!pictures.length) {
      stack?.clear();
      progress(0, 0, 0);
      element.dataset.imageCount = "0";
      cover.notPicture(
        instances.length
          ? explainObjects(others)
          : { title: "This series is empty", lines: ["No image of it has arrived yet."] },
      );
      set("ready");
      return;
    }
    await startStack();
    if (turn !== opening) return;
    const entries = sortFrames(framesOf(pictures)).map((frame) => ({
      frame,
      url: new URL(client.frameURL(uid, frame), location.href).href,
    }));
    if (others.length) {
      const names = [...new Set(others.map(({ name }) => name))].join(", ");
      write(byId("notice"), `Not shown in this series: ${others.length} × ${names}.`);
      byId("notice").hidden = false;
    }
    byId("cine").disabled = entries.length < 2;
    const place = Math.min(places.get(uid) ?? 0, entries.length - 1);
    await stack.show(entries, place, { keep });
  } catch (error) {
    if (turn !== opening) return;
    const known = error instanceof RequestError;
    if (!known) console.error(error);
    fail(known ? error : { kind: "browser" }, `Series ${seriesLabel(series)}`, () => open(uid));
  }
}

const perform = {
  reset: () => stack?.reset(),
  escape: () => marking.cancel() || stack?.reset(),
  undo: () => annotations.undo(),
  redo: () => annotations.redo(),
  name: () => marking.nameSelected(),
  "store-marks": () => storeMarks(state.study.id, (words) => reportSide.say(words)),
  "turn-left": () => stack?.turning.turnLeft(),
  "turn-right": () => stack?.turning.turnRight(),
  "mirror-across": () => stack?.turning.mirrorAcross(),
  "mirror-down": () => stack?.turning.mirrorDown(),
  "one-to-one": () => stack?.turning.oneToOne(),
  smooth: () => stack?.turning.setSmooth(!stack.turning.isSmooth),
  magnifier: () => toolbar.press("magnifier", magnifier.toggle()),
  invert: () => stack?.invert(),
  cine: () => cine?.toggle(),
  next: () => move((at) => at + 1),
  previous: () => move((at) => at - 1),
  first: () => move(() => 0),
  last: () => move((_, count) => count - 1),
  "next-series": () => step(1),
  "previous-series": () => step(-1),
  keys: () => byId("keys").showModal(),
  priors: () => priors.focus(),
  capture: () => marking.capture(),
  remove: () => marking.removeSelected(),
  report: () => reportSide.toggle(),
};

function move(where) {
  if (!stack) return;
  cine?.stop();
  stack.scrollTo(where(stack.index, stack.count()));
}

function step(by) {
  const uid = rail.neighbour(by);
  if (uid) open(uid);
}

async function setMode(name) {
  for (const button of document.querySelectorAll("[data-mode]")) {
    button.setAttribute("aria-pressed", String(button.dataset.mode === name));
  }
  marking.setMeasuring(name);
  toolbar.show(name);
  (await startStack()).setMode(name);
}

/** Shows a place that somebody measured or kept. */
async function showPlace({ series_instance_uid: uid, sop_instance_uid: sop, frame, id }) {
  if (uid !== current) await open(uid);
  if (!stack || uid !== current) return;
  cine?.stop();
  for (let at = 0; at < stack.count(); at += 1) {
    const one = stack.frameAt(at);
    if (one.sopInstanceUID === sop && one.frame === frame) {
      stack.scrollTo(at);
      break;
    }
  }
  marking.select(id);
}

function act(action) {
  if (action.startsWith("mode:")) setMode(action.slice(5));
  else if (action.startsWith("preset:")) toolbar.preset(Number(action.slice(7)));
  else perform[action]?.();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && closePopup()) {
    event.preventDefault();
    return;
  }
  const action = actionOf(event);
  if (!action) return;
  event.preventDefault();
  act(action);
});
for (const button of document.querySelectorAll("[data-action]")) {
  button.addEventListener("click", () => act(button.dataset.action));
}
for (const button of document.querySelectorAll("[data-mode]")) {
  button.addEventListener("click", () => setMode(button.dataset.mode));
}
element.addEventListener("wheel", () => cine?.stop(), { passive: true });
byId("retry-failed").addEventListener("click", () => stack?.retry());

/** What the page knows of a series before its metadata. */
function prepare(next) {
  next.series = next.series.map((series) => {
    const pictures = maybePictures(series);
    return { ...series, pictures, thumbnail: pictures ? series.thumbnail : "" };
  });
  return next;
}

function refresh(next) {
  const before = new Map(state.series.map((series) => [series.uid, series]));
  state = prepare(next);
  for (const series of state.series) {
    if (before.get(series.uid)?.count !== series.count) metadata.delete(series.uid);
  }
  rail.fill(state.series);
  if (!current) openFirst();
  else if (!metadata.has(current)) open(current, { keep: true });
}

function openFirst() {
  const first = state.series.find(({ pictures }) => pictures) ?? state.series[0];
  if (first) {
    open(first.uid);
    return;
  }
  set("ready");
  cover.notPicture({
    title: "This study has no images yet",
    lines: ["They are offered here as soon as they arrive."],
  });
}

/** For checks against the files: what is on the screen, in numbers. */
window.lightbox = {
  getPixelData: () => stack?.pixels(),
  getWindow: () => stack?.range(),
  getCorners: () => stack?.corners(),
  setWindow: (range) => stack?.setWindow(range),
  toCanvas: (pixel) => stack?.toCanvas(pixel),
};

set("loading");
fillHelp(byId("keys-table"));
prepare(state);
rail.fill(state.series);
openFirst();
rendererReady().catch(() => {});
watchSession();
const priors = watchPriors(state.study.id);
reportSide.begin();
watchSendDialog(byId("send"), state.study.id);
watchAttachments(byId("attachments"), state.study.id);
watchDiscDialog(byId("disc"), state.study.id);
const readingEvent = watchReading({
  study: state.study.id,
  notes: byId("notes"),
  isReading: state.isReading,
});
const correctedEvent = watchCorrected(byId("corrected"), state.study.id);
watchLate(byId("late"), {
  studyId: state.study.id,
  stateURL: state.stateURL,
  known: () => state.series,
  onLoad: refresh,
  onEvent(message) {
    readingEvent(message);
    correctedEvent(message);
  },
});
