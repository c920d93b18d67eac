/** One viewport of the grid: its stack with overlay, cover, badges and marking. */
import { createCine } from "./cine.js";
import { contentsOf } from "./contents.js";
import { createCover } from "./cover.js";
import { RequestError } from "./dicomweb.js";
import { createPane } from "./documents/pane.js";
import { write } from "./dom.js";
import { explain } from "./failures.js";
import { planeOf } from "./geometry.js";
import { createMarking } from "./marking.js";
import { createOverlay } from "./overlay.js";
import { createPreview } from "./preview.js";
import { seriesLabel } from "./rail.js";
import { rendererStarted } from "./renderer.js";
import { createSegmentLayer } from "./segments/layer.js";
import { createPresenter } from "./states/presenter.js";
import { Tag, text } from "./tags.js";
import { date } from "./wording.js";

/** What a store of marks is where there is no series yet. */
const nothingKept = { measurements: () => [], keyImages: () => [], subscribe() {} };

/** The store of whichever study the cell shows. */
function storeOf(study) {
  const listeners = new Set();
  const told = new Set();
  const tell = () => {
    for (const listener of listeners) listener();
  };
  return {
    store: new Proxy(nothingKept, {
      get(_, name) {
        if (name === "subscribe") return (listener) => listeners.add(listener);
        return Reflect.get(study()?.store ?? nothingKept, name);
      },
    }),
    /** Another study is shown: its changes are told, too. */
    follow({ store }) {
      if (told.has(store)) return;
      told.add(store);
      store.subscribe(tell);
    },
  };
}

/**
 * @param {HTMLElement} root with the parts of `studies/_cell.html`
 * @param {object} options
 * @param {object} options.patient of the page's banner
 * @param {string} options.loginURL
 * @param {() => boolean} options.may whether the person may mark
 * @param {(words: string) => void} options.say
 * @param {(cell: object) => object} options.marksOn what marking tells of a cell's marks
 * @param {(cell: object, study: object, place: object) => void} options.jump shows what a document refers to
 * @param {object} options.on `shown(cell)`, `changed(cell)`: its status, progress or cine
 */
export function createCell(root, { patient, loginURL, may, say, marksOn, jump, on }) {
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const element = root.querySelector("[data-viewport]");
  const cover = createCover(part("cover"));
  const preview = createPreview(element);
  const pane = createPane(root, { patient, loginURL, jump: (...where) => jump(cell, ...where) });
  const overlay = createOverlay(part("overlay"), patient);
  const badges = Object.fromEntries(
    ["prior", "lossy", "loading", "link"].map((each) => [each, part(each)]),
  );
  const facts = { status: "empty", loaded: 0, wanted: 0, failed: 0, count: 0, notice: "" };
  /** Where the reader was in each series. */
  const places = new Map();

  let study;
  let uid;
  let stack;
  let cine;
  let mode = "window";
  let opening = 0;
  let shown;
  let planes;
  let isActive = false;
  let playing = false;
  let rate = 0;

  const kept = storeOf(() => study);
  const marking = createMarking(element, {
    stack: () => stack,
    series: () => uid,
    store: kept.store,
    may,
    say,
    on: marksOn(() => study),
  });
  // Each goes below the one before: segments, then states, then measurements over them.
  const presenter = createPresenter(root, element, () => stack);
  const segments = createSegmentLayer(root, element);

  const series = () => study?.seriesOf(uid);

  function set(status) {
    facts.status = status;
    root.dataset.status = status;
    on.changed(cell);
  }

  function describeShown({ frame, index, count }) {
    Object.assign(element.dataset, {
      imageIndex: String(index),
      imageCount: String(count),
      sopInstanceUid: frame.sopInstanceUID,
      frame: String(frame.frame),
    });
    const label = `${seriesLabel(series())}, image ${index + 1} of ${count}`;
    const canvas = stack.canvas();
    canvas.setAttribute("role", "img");
    if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
  }

  function forgetShown() {
    for (const key of ["imageIndex", "imageCount", "sopInstanceUid", "frame"])
      delete element.dataset[key];
    shown = undefined;
    badges.lossy.hidden = true;
    overlay.hide();
    segments.hidden();
    presenter.hidden();
    marking.hidden();
  }

  function showLoading() {
    const { loaded, failed, count } = facts;
    badges.loading.hidden = !count || loaded >= count;
    write(
      badges.loading,
      `Not loaded completely: ${loaded} of ${count}${failed ? `, ${failed} failed` : ""}`,
    );
  }

  function progress(loaded, wanted, failed) {
    Object.assign(facts, { loaded, wanted, failed, count: stack?.count() ?? 0 });
    showLoading();
    on.changed(cell);
  }

  function fail(error, what, retry) {
    preview.clear();
    forgetShown();
    cover.error(explain(error, { what, loginURL, retry }));
    set("error");
  }

  function onShown(next) {
    cover.clear();
    preview.clear();
    shown = next;
    places.set(uid, next.index);
    describeShown(next);
    overlay.show(next);
    badges.lossy.hidden = text(next.frame.dataset, Tag.LossyImageCompression) !== "01";
    segments.shown(study, next, (pixel) => stack.toCanvas(pixel));
    presenter.shown(next);
    marking.shown(next);
    if (facts.status !== "ready") set("ready");
    on.shown(cell);
  }

  async function startStack() {
    if (stack) return stack;
    const { createStack } = await rendererStarted();
    // Two series opened at once share the one viewport.
    stack ??= createStack(element, {
      shown: onShown,
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
    cine ??= createCine(stack, (nowPlaying, nowRate) => {
      playing = nowPlaying;
      rate = nowRate;
      on.changed(cell);
    });
    stack.setActive(isActive);
    stack.setMode(mode);
    return stack;
  }

  function name() {
    const { number } = cell;
    root.setAttribute("aria-label", `Viewport ${number}${uid ? `, ${seriesLabel(series())}` : ""}`);
    badges.prior.hidden = !study?.isPrior;
    if (study?.isPrior) write(badges.prior, `Prior ${date(study.date) || "without a date"}`);
    root.classList.toggle("is-prior", Boolean(study?.isPrior));
  }

  /**
   * Opens a series of a study; a later call overtakes an earlier one. Settles when its first picture is on
   * the screen, or what stands in its stead.
   *
   * @param {object} nextStudy
   * @param {string} nextUid
   * @param {object} [options]
   * @param {boolean} [options.keep] the same series with more images: window, zoom and place stay
   * @param {(frames: object[]) => number} [options.placeIn] the frame to begin with
   * @param {{lower: number, upper: number}} [options.range] of values to begin with
   * @param {(cell: object) => void} [options.then] when the first picture is there
   */
  async function open(nextStudy, nextUid, options = {}) {
    const { keep = false, placeIn, range, then } = options;
    const wanted = nextStudy.seriesOf(nextUid);
    if (!wanted) return;
    const turn = (opening += 1);
    cine?.stop();
    study = nextStudy;
    uid = nextUid;
    planes = undefined;
    kept.follow(study);
    Object.assign(facts, { loaded: 0, wanted: 0, failed: 0, count: 0, notice: "" });
    showLoading();
    name();
    // Nothing of the series before may stay on the screen under the new name.
    forgetShown();
    pane.close();
    if (!keep) presenter.forget();
    preview.clear();
    cover.loading(`Loading ${seriesLabel(wanted)}`);
    set("loading");
    try {
      if (wanted.pictures) startStack().catch(() => {});
      const instances = await study.metadataOf(uid);
      if (turn !== opening) return;
      const { frames, notice, explanation, documents } = contentsOf(instances);
      facts.notice = notice;
      if (documents) {
        stack?.clear();
        element.dataset.imageCount = "0";
        cover.clear();
        await pane.show(study, uid, documents);
        if (turn === opening) set("ready");
        return;
      }
      if (explanation) {
        stack?.clear();
        element.dataset.imageCount = "0";
        cover.notPicture(explanation);
        set("ready");
        return;
      }
      const entries = frames.map((frame) => ({
        frame,
        url: new URL(study.client.frameURL(uid, frame), location.href).href,
      }));
      const place = Math.min(placeIn?.(frames) ?? places.get(uid) ?? 0, entries.length - 1);
      if (!keep) preview.expect(entries[place].url);
      await startStack();
      if (turn !== opening) return;
      await stack.show(entries, place, { keep, range });
      if (turn === opening && shown) then?.(cell);
    } catch (error) {
      if (turn !== opening) return;
      const known = error instanceof RequestError;
      if (!known) console.error(error);
      const failure = known ? error : { kind: "browser" };
      fail(failure, `Series ${seriesLabel(wanted)}`, () => open(nextStudy, nextUid, options));
    }
  }

  /** Nothing is in it any more; what was under way is left. */
  function empty() {
    opening += 1;
    cine?.stop();
    stack?.clear();
    pane.close();
    preview.clear();
    study = undefined;
    uid = undefined;
    planes = undefined;
    Object.assign(facts, { loaded: 0, wanted: 0, failed: 0, count: 0, notice: "" });
    forgetShown();
    showLoading();
    name();
    cover.notPicture({
      title: "Nothing here yet",
      lines: ["Drag a series or a prior here, or make this viewport active and choose one."],
    });
    set("empty");
  }

  /** Something is on its way into it; what is given back says whether nothing else came in between. */
  function reserve() {
    empty();
    cover.loading("Loading");
    set("loading");
    const turn = opening;
    return () => turn === opening;
  }

  const cell = {
    number: 0,
    root,
    element,
    marking,
    presenter,
    cover,
    facts,
    open,
    empty,
    reserve,
    get stack() {
      return stack;
    },
    get study() {
      return study;
    },
    get uid() {
      return uid;
    },
    series,
    /** Whether it shows a document, no pictures. */
    get isDocument() {
      return pane.isOpen;
    },
    /** What is on the screen, undefined while there is no picture. */
    get shown() {
      return shown;
    },
    get cine() {
      return cine;
    },
    get playing() {
      return { playing, rate, possible: (stack?.count() ?? 0) > 1 };
    },
    /** The planes of its stack, undefined where a frame is not placed in the patient. */
    planes() {
      planes ??= stack?.frames().map(planeOf) ?? [];
      return planes;
    },
    /** The plane on the screen. */
    plane: () => (shown ? cell.planes()[shown.index] : undefined),
    setNumber(number) {
      cell.number = number;
      name();
    },
    setActive(now) {
      isActive = now;
      root.classList.toggle("is-active", now);
      stack?.setActive(now);
    },
    setMode(next) {
      mode = next;
      marking.setMeasuring(next);
      stack?.setMode(next);
    },
    moveTo(where) {
      if (pane.isOpen) {
        pane.move(where);
        return;
      }
      if (!stack) return;
      cine?.stop();
      stack.scrollTo(where(stack.index, stack.count()));
    },
    /** Says how it follows another viewport; "" for nothing to say. */
    setLink(words, isOff = false) {
      badges.link.hidden = !words;
      badges.link.classList.toggle("badge-warn", isOff);
      write(badges.link, words);
    },
    /** Says in its place why there is no picture. */
    note(message) {
      cover.notPicture(message);
      set("ready");
    },
  };

  element.addEventListener("wheel", () => cine?.stop(), { passive: true });
  return cell;
}
