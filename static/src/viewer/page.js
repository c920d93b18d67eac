import { watchSession } from "../app/session.js";
import { watchDiscDialog } from "../disc/dialog.js";
import { watchReading } from "../reading/viewer.js";
import { createAnnotations } from "../reports/annotations.js";
import { watchSendDialog } from "../sends/dialog.js";
import { watchAttachments } from "../finding/attachments.js";
import { createCell } from "./cell.js";
import { contentsOf } from "./contents.js";
import { createJump } from "./documents/jump.js";
import { pageState } from "./dicomweb.js";
import { write } from "./dom.js";
import { acceptDrops, beginDrag } from "./dragging.js";
import { watchCorrected } from "./corrected.js";
import { createGrid } from "./grid.js";
import { facesAway, matched, placed } from "./hanging.js";
import { createHangingMenu } from "./hanging-menu.js";
import { fillHelp } from "./help.js";
import { actionOf, listen, mouseButtons, onChange, showKeys, use } from "./mine.js";
import { watchLate } from "./late.js";
import { watchOpening } from "./openings.js";
import { watchLayers } from "./layers.js";
import { createLayoutPicker } from "./layout-picker.js";
import { createMagnifier } from "./magnifier.js";
import { withHistory } from "./measure/history.js";
import { watchKeeping } from "./measure/keeping.js";
import { createMeasurementList } from "./measure/panel.js";
import { storeMarks } from "./measure/storing.js";
import { createPictureDialog } from "./picture.js";
import { closePopup } from "./popups.js";
import { watchPriors } from "./priors.js";
import { createRail, seriesLabel } from "./rail.js";
import { rendererReady } from "./renderer.js";
import { createReportSide } from "./report.js";
import { isSecond, joinWindows } from "./second-window.js";
import { createPriorStudies, createStudy } from "./studies.js";
import { createSync } from "./sync.js";
import { watchTouch } from "./touch.js";
import { windowRange } from "./voi.js";
import { createToolbar } from "./toolbar.js";
import { overSeries } from "./volume/over-series.js";
import { plural } from "./wording.js";

const byId = (id) => document.getElementById(id);
const root = document.documentElement;
const state = JSON.parse(byId("viewer-state").textContent);
/** How long what the others fetch in the background waits for the pictures on the screen. */
const patience = 5000;

const annotations = withHistory(createAnnotations(state.study.id, { me: state.user }), (words) =>
  reportSide.say(words),
);
const reportSide = createReportSide(isSecond() ? null : byId("report"), {
  annotations,
  show: showPlace,
  toPriors: () => priors.focus(),
});
const study = createStudy(state, { store: annotations });
const priorStudies = createPriorStudies({
  urlOf: (id) => `${state.priorURL}${id}/`,
  patient: state.patient,
  storeOf: (id) => createAnnotations(id, { me: state.user }),
});
const rail = createRail(byId("series"), {
  onSelect: (uid) => open(uid),
  onDrag: (event, uid) => beginDrag(event, { study: study.id, uid }),
});

const waits = watchOpening(state.study.id);
/** Pictures that were on the screen, by series. */
const seen = new Map();
const { unknown } = use(state.preferences);
let mode = mouseButtons().left;
/** Which protocol, or which choice of the reader, fills the viewports: a later one overtakes. */
let hanging = 0;
/** A lens for each viewport, all on or all off. */
const lenses = [];
let magnifies = false;

const grid = createGrid(byId("grid"), {
  makeCell,
  onActive() {
    showFacts();
    markRail();
    sync.refresh();
  },
  onLayout(layout, isMaximised) {
    write(byId("layout-label"), `${layout.rows} × ${layout.columns}`);
    byId("maximise").disabled = layout.rows * layout.columns === 1;
    byId("maximise").setAttribute("aria-pressed", String(isMaximised));
    sync.refresh();
  },
});
const sync = createSync({
  visible: () => grid.visible(),
  active: () => grid.active,
  say: (words) => reportSide.say(words),
  onToggle(kind, on) {
    byId(`link-${kind}`).setAttribute("aria-pressed", String(on));
  },
  onMoved: (plane) => windows.tellPlace(plane),
});
const windows = joinWindows(study.id, { place: (plane) => sync.followOutside(plane) });

const jump = createJump({ grid, say: (words) => reportSide.say(words) });

const active = () => grid.active;
const stack = () => active()?.stack;
const toolbar = createToolbar({ stack, windowsURL: `${state.preferencesURL}windows/` });

function makeCell(own) {
  const element = own ?? byId("cell").content.firstElementChild.cloneNode(true);
  const cell = createCell(element, {
    patient: state.patient,
    loginURL: state.loginURL,
    may: () => byId("report")?.dataset.annotates !== undefined,
    say: (words) => reportSide.say(words),
    // Marks on a prior are the prior's: the report here does not take them up.
    marksOn: (shown) => ({
      keyImageKept: (id) => shown()?.isPrior || reportSide.keyImageKept(id),
      measurementRemoved: (id) => shown()?.isPrior || reportSide.measurementRemoved(id),
    }),
    jump: (...where) => jump(...where),
    on: {
      shown(one) {
        noteSeen(one);
        waits.shown(one.uid, one.shown);
        noteLoaded(one);
        if (one === active()) showFacts();
        sync.shown(one);
      },
      changed(one) {
        if (one === active()) showFacts();
        noteLoaded(one);
        markRail();
      },
    },
  });
  cell.setMode(mode);
  const lens = createMagnifier(cell.element, () => cell.stack);
  lenses.push(lens);
  if (magnifies) lens.toggle();
  acceptDrops(element, (what) => drop(cell, what));
  watchTouch(cell.element, {
    begin() {
      if (!cell.shown) return undefined;
      const { zoom } = cell.stack.view();
      return { index: cell.stack.index, zoom: (factor) => cell.stack.setZoom(zoom * factor) };
    },
    scrollTo: (index) => cell.moveTo(() => index),
  });
  return cell;
}

/** What the page says of the active viewport. */
function showFacts() {
  const cell = active();
  if (!cell) return;
  const { status, loaded, wanted, failed, notice } = cell.facts;
  root.dataset.viewer = status === "empty" ? "ready" : status;
  const bar = byId("progress");
  const done = loaded + failed >= wanted;
  bar.hidden = wanted < 2 || done || status === "error";
  bar.value = loaded;
  bar.max = Math.max(1, wanted);
  const parts = [];
  if (wanted > 1 && !done) parts.push(`Loading ${loaded}/${wanted}`);
  if (failed) parts.push(`${plural(failed, "image")} could not be loaded`);
  write(byId("progress-text"), parts.join(" - "));
  byId("retry-failed").hidden = !(failed && done);
  write(byId("notice"), notice);
  byId("notice").hidden = !notice;
  byId("invert").setAttribute("aria-pressed", String(Boolean(cell.shown?.inverted)));
  const { playing, rate, possible } = cell.playing;
  byId("cine").disabled = !possible;
  byId("cine").setAttribute("aria-pressed", String(playing));
  write(byId("cine-label"), playing ? `Stop (${Math.round(rate)}/s)` : "Play");
}

function markRail() {
  const cell = active();
  if (!cell) return;
  const own = grid.cells().filter((each) => each.study === study);
  rail.setShown(new Set(own.map(({ uid }) => uid)));
  rail.mark(cell.study === study ? cell.uid : undefined);
}

function noteLoaded({ uid, facts: { loaded, count } }) {
  if (count && loaded >= count) waits.loaded(uid, count);
}

function noteSeen(cell) {
  if (cell.study !== study) return;
  if (!seen.has(cell.uid)) seen.set(cell.uid, new Set());
  const { frame } = cell.shown;
  const pictures = seen.get(cell.uid).add(`${frame.sopInstanceUID} ${frame.frame}`);
  if (pictures.size >= cell.stack.count()) rail.setViewed(cell.uid);
}

/** Opens a series of the study in the active viewport. */
function open(uid, options) {
  hanging += 1;
  return active().open(study, uid, options);
}

/** Opens a prior in a viewport: the series most like `like`, or the one named. */
async function openPrior(cell, id, { uid, like } = {}) {
  hanging += 1;
  const isMine = cell.reserve();
  let prior;
  try {
    prior = await priorStudies.open(id);
    if (!isMine()) return;
  } catch {
    if (!isMine()) return;
    cell.note({
      title: "The prior could not be opened",
      lines: ["It was removed, or you may not see it, or the server cannot be reached. Try again."],
    });
    return;
  }
  const pictures = prior.series().filter((each) => each.pictures);
  const chosen =
    prior.seriesOf(uid) ??
    pictures.find((each) => like && each.description === like.description) ??
    pictures.find((each) => like && each.modality === like.modality) ??
    pictures[0] ??
    prior.series()[0];
  if (chosen) await cell.open(prior, chosen.uid);
  else cell.note({ title: "This prior has no pictures", lines: [] });
}

function drop(cell, { study: id, uid }) {
  // The keys are for the picture now, not for the rail that it came from.
  document.activeElement?.blur?.();
  grid.activate(cell);
  if (id === study.id) open(uid);
  else openPrior(cell, id, { like: cell.series() });
}

/** Priors that can be compared: they share a modality with the study. */
function comparable() {
  const modalities = new Set(study.series().map(({ modality }) => modality));
  return state.priors.filter((prior) => prior.modalities.some((each) => modalities.has(each)));
}

/** The newest comparable prior beside what is active. */
function compare(id = comparable()[0]?.id) {
  if (id === undefined) {
    reportSide.say("There is no prior of this patient that could be compared.");
    return;
  }
  const from = active();
  const like = from.series();
  if (grid.cells().length === 1) setLayout({ rows: 1, columns: 2 }, { fill: false });
  if (grid.isMaximised) grid.toggleMaximised();
  const target =
    grid.cells().find((cell) => cell !== from && (!cell.study || cell.study.isPrior)) ??
    grid.cells().find((cell) => cell !== from);
  openPrior(target, id, { like });
}

/** Other rows and columns; viewports that are new take the series that are in none. */
function setLayout(layout, { fill = true } = {}) {
  hanging += 1;
  const before = grid.cells().length;
  grid.setLayout(layout);
  if (fill && grid.cells().length > before) {
    const shown = new Set(grid.cells().map(({ uid }) => uid));
    const left = study.series().filter(({ pictures, uid }) => pictures && !shown.has(uid));
    const free = grid.cells().filter((cell) => !cell.uid);
    together(free.slice(0, left.length).map((cell, at) => () => cell.open(study, left[at].uid)));
  }
  markRail();
}

/** Opens series in several viewports; what is fetched in the background waits until they show pictures. */
async function together(openings) {
  if (!openings.length) return;
  const { holdBackground } = await rendererReady();
  const release = holdBackground();
  const enough = new Promise((resolve) => {
    setTimeout(resolve, patience);
  });
  await Promise.race([Promise.allSettled(openings.map((each) => each())), enough]);
  release();
}

async function framesOf(from, uid) {
  return contentsOf(await from.metadataOf(uid)).frames;
}

/** Hangs the study as a protocol says. The first viewport is active, and has its picture first. */
async function hang(protocol) {
  const turn = (hanging += 1);
  const { rules } = protocol;
  const [rows, columns] = rules.layout.split("x").map(Number);
  grid.setLayout({ rows, columns });
  grid.activate(grid.cells()[0]);
  for (const kind of ["scroll", "window", "view", "lines"]) sync.toggle(kind, false);
  for (const cell of grid.cells()) cell.reserve();
  menu.setUsed(protocol);
  const loader = rendererReady().then(({ holdBackground }) => holdBackground());
  const later = [];
  const world = {
    study,
    framesOf,
    async prior(rank) {
      const found = comparable()[rank - 1];
      return found && priorStudies.open(found.id);
    },
  };
  for await (const { cell: at, study: from, uid, placeIn, window, facing, why } of placed(
    rules,
    world,
  )) {
    if (turn !== hanging) break;
    const cell = grid.cells()[at];
    if (!uid) {
      cell.note({ title: "Nothing to hang here", lines: [why] });
      continue;
    }
    const opened = cell.open(from, uid, {
      placeIn,
      range: window && windowRange(window),
      then: ({ stack: shownIn, shown }) => {
        if (facesAway(shown.frame, facing)) shownIn.mirror();
        if (facing) shownIn.align(facing);
      },
    });
    later.push(opened);
    // What the reader looks at first is there before the others ask for anything.
    if (cell === active()) await opened;
  }
  const enough = new Promise((resolve) => {
    setTimeout(resolve, patience);
  });
  await Promise.race([Promise.allSettled(later), enough]);
  (await loader)();
  // What is linked stands as it is when it is linked: nothing is before all pictures are there.
  await Promise.allSettled(later);
  if (turn !== hanging) return;
  // What the rules leave out is for the reader to fill.
  for (const [at, wanted] of rules.cells.entries()) if (!wanted) grid.cells()[at].empty();
  for (const kind of rules.link ?? []) sync.toggle(kind, true);
}

function move(where) {
  active().moveTo(where);
}

function step(by) {
  const uid = rail.neighbour(by);
  if (uid) open(uid);
}

function setMode(name) {
  mode = name;
  for (const button of document.querySelectorAll("[data-mode]")) {
    button.setAttribute("aria-pressed", String(button.dataset.mode === name));
  }
  toolbar.show(name);
  for (const cell of grid.cells()) cell.setMode(name);
}

function magnify() {
  magnifies = !magnifies;
  for (const lens of lenses) lens.toggle();
  toolbar.press("magnifier", magnifies);
}

async function fullScreen() {
  try {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await root.requestFullscreen();
  } catch {
    reportSide.say("This browser does not allow full screen here.");
  }
}

const perform = {
  reset: () => stack()?.reset(),
  escape: () => active().marking.cancel() || stack()?.reset(),
  undo: () => annotations.undo(),
  redo: () => annotations.redo(),
  name: () => active().marking.nameSelected(),
  "store-marks": () => storeMarks(study.id, (words) => reportSide.say(words)),
  "turn-left": () => stack()?.turning.turnLeft(),
  "turn-right": () => stack()?.turning.turnRight(),
  "mirror-across": () => stack()?.turning.mirrorAcross(),
  "mirror-down": () => stack()?.turning.mirrorDown(),
  "one-to-one": () => stack()?.turning.oneToOne(),
  smooth: () => stack()?.turning.setSmooth(!stack().turning.isSmooth),
  magnifier: magnify,
  invert: () => stack()?.invert(),
  cine: () => active().cine?.toggle(),
  next: () => move((at) => at + 1),
  previous: () => move((at) => at - 1),
  first: () => move(() => 0),
  last: () => move((_, count) => count - 1),
  "next-series": () => step(1),
  "previous-series": () => step(-1),
  keys: () => byId("keys").showModal(),
  priors: () => priors.focus(),
  capture: () => active().marking.capture(),
  remove: () => active().marking.removeSelected(),
  report: () => reportSide.toggle(),
  layout: () => picker.open(),
  "next-cell": () => grid.step(1),
  "previous-cell": () => grid.step(-1),
  maximise: () => grid.toggleMaximised(),
  hanging: () => menu.open(),
  compare: () => compare(),
  planes: showPlanes,
  picture: () =>
    planes
      ? reportSide.say("Planes are not exported yet: close them for the image itself.")
      : pictureDialog.open(),
  "full-screen": fullScreen,
  "second-window": () => windows.open(),
};

/** Help, hints and buttons as the reader has set them up. */
function showOwn() {
  fillHelp(byId("keys-table"));
  showKeys();
  for (const cell of grid.cells()) cell.setMode(mode);
}

let planes;

/** Axial, coronal and sagittal planes through the active series, over the viewports. */
async function showPlanes() {
  const cell = active();
  if (planes) {
    planes.close();
    return;
  }
  if (!cell.shown) return;
  const [{ openMpr }, { register, valuesOf }] = await Promise.all([
    import("./volume/mpr.js"),
    rendererReady(),
  ]);
  if (planes || !cell.shown) return;
  cell.cine?.stop();
  const opened = openMpr(byId("grid"), {
    entries: cell.stack.entries(),
    load: valuesOf,
    range: cell.shown.range,
    isInverted: cell.shown.inverted,
    label: seriesLabel(cell.series()),
    over: overSeries(cell.study, cell.uid, register),
    onClose() {
      planes = undefined;
      cell.element.focus?.();
    },
  });
  if (opened.refused) reportSide.say(`No planes through this series. ${opened.refused}`);
  else planes = opened;
}

/** Shows a place that somebody measured or kept. */
async function showPlace({ series_instance_uid: uid, sop_instance_uid: sop, frame, id }) {
  const own = grid.visible().find((cell) => cell.study === study && cell.uid === uid);
  if (own) grid.activate(own);
  const cell = active();
  if (cell.study !== study || uid !== cell.uid) await open(uid);
  if (!cell.stack || uid !== cell.uid) return;
  for (let at = 0; at < cell.stack.count(); at += 1) {
    const one = cell.stack.frameAt(at);
    if (one.sopInstanceUID === sop && one.frame === frame) {
      cell.moveTo(() => at);
      break;
    }
  }
  cell.marking.select(id);
}

function act(action) {
  const [kind, what] = action.split(":");
  if (kind === "mode") setMode(what);
  else if (kind === "link") sync.toggle(what);
  else if (kind === "preset") toolbar.preset(Number(what));
  else if (kind === "own-window") toolbar.ownWindow(Number(what));
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
byId("retry-failed").addEventListener("click", () => stack()?.retry());

function refresh(next) {
  const changed = study.update(next);
  rail.forgetViewed(changed);
  rail.fill(study.series());
  markRail();
  const showing = grid.cells().filter((cell) => cell.study === study && changed.has(cell.uid));
  if (grid.cells().every((cell) => !cell.study)) openFirst();
  for (const cell of showing) cell.open(study, cell.uid, { keep: true });
}

function openFirst() {
  const protocol = matched(state.protocols, factsOfStudy());
  if (protocol) {
    hang(protocol);
    return;
  }
  const first = study.series().find(({ pictures }) => pictures) ?? study.series()[0];
  if (first) {
    open(first.uid);
    return;
  }
  active().note(
    state.imagesDeleted
      ? {
          title: "The images of this study were deleted",
          lines: ["By the site's retention rules. Its report stays."],
        }
      : {
          title: "This study has no images yet",
          lines: ["They are offered here as soon as they arrive."],
        },
  );
}

const factsOfStudy = () => ({
  series: study.series(),
  description: state.study.description,
  priors: comparable(),
});

/** For checks against the files: what is on the screen of the active viewport, in numbers. */
window.lightbox = {
  getPixelData: () => stack()?.pixels(),
  getWindow: () => stack()?.range(),
  getCorners: () => stack()?.corners(),
  setWindow: (range) => stack()?.setWindow(range),
  toCanvas: (pixel) => stack()?.toCanvas(pixel),
  getPlanes: () => planes,
  /** The viewports of the layout: what each shows, from left to right and from top to bottom. */
  getCells: () =>
    grid.cells().map((cell) => ({
      active: cell === active(),
      series: cell.uid,
      prior: Boolean(cell.study?.isPrior),
      index: cell.shown?.index,
      count: cell.stack?.count() ?? 0,
      range: cell.shown?.range,
      view: cell.shown && cell.stack.view(),
      corners: cell.shown && cell.stack.corners(),
      status: cell.facts.status,
    })),
};

createMeasurementList(byId("measurement-list"), {
  store: annotations,
  show: (entry) => showPlace(entry),
  may: () => byId("report")?.dataset.annotates !== undefined,
  say: (words) => reportSide.say(words),
  removed: (id) => reportSide.measurementRemoved(id),
  count: byId("measurement-count"),
  visible: byId("measurements-visible"),
});
watchKeeping(byId("keeping"), annotations);
watchLayers(byId("layers"), {
  active,
  say: (words) => reportSide.say(words),
  reload: async () => refresh(await pageState(state.stateURL)),
});

const picker = createLayoutPicker(byId("layouts"), {
  current: () => grid.layout,
  onChosen: setLayout,
});
const menu = createHangingMenu(byId("hanging"), {
  protocols: state.protocols,
  saveURL: state.protocolsURL,
  site: state.site,
  facts: factsOfStudy,
  grid,
  sync,
  rankOf: (shown) => comparable().findIndex(({ id }) => id === shown.id) + 1,
  use(protocol) {
    if (protocol) {
      hang(protocol);
      return;
    }
    menu.setUsed(undefined);
    // The links were the protocol's.
    for (const kind of ["scroll", "window", "view", "lines"]) sync.toggle(kind, false);
    setLayout({ rows: 1, columns: 1 });
  },
});

const pictureDialog = createPictureDialog(byId("picture"), {
  active,
  patient: state.patient,
  say: (words) => reportSide.say(words),
});

if (isSecond()) byId("report-open")?.setAttribute("hidden", "");
root.dataset.viewer = "loading";
setMode(mode);
onChange(showOwn);
showOwn();
listen();
if (state.preferences.isBroken || unknown.length) {
  reportSide.say("Some of your keys could not be read: the usual ones are used instead.");
}
rail.fill(study.series());
grid.setLayout({ rows: 1, columns: 1 });
const priors = watchPriors(study.id, {
  compare: (id) => openPrior(active(), id, { like: active().series() }),
  drag: (event, id) => beginDrag(event, { study: id }),
});
openFirst();
rendererReady().catch(() => {});
watchSession();
reportSide.begin();
watchSendDialog(byId("send"), study.id);
watchAttachments(byId("attachments"), study.id);
watchDiscDialog(byId("disc"), study.id);
const readingEvent = watchReading({
  study: study.id,
  notes: byId("notes"),
  isReading: state.isReading,
});
const correctedEvent = watchCorrected(byId("corrected"), study.id);
watchLate(byId("late"), {
  studyId: study.id,
  stateURL: state.stateURL,
  known: () => study.series(),
  onLoad: refresh,
  onEvent(message) {
    readingEvent(message);
    correctedEvent(message);
  },
});
