import {
  Enums,
  RenderingEngine,
  cache,
  eventTarget,
  imageLoader,
  imageRetrievalPoolManager,
  init as initCore,
  utilities,
} from "@cornerstonejs/core";
import {
  PanTool,
  StackScrollTool,
  Enums as ToolEnums,
  ToolGroupManager,
  WindowLevelTool,
  ZoomTool,
  addTool,
  init as initTools,
} from "@cornerstonejs/tools";

import { RequestError, kindOfStatus } from "./dicomweb.js";
import { mouseButtons } from "./mine.js";
import { frameOf, initImages, pixelsOf, register } from "./images.js";
import { createPrefetcher, createShare, fetchOrder } from "./prefetch.js";
import { createTurning } from "./turning.js";
import { nodesOf } from "./voi.js";

const { Events, RequestType, ViewportType } = Enums;
const { MouseBindings } = ToolEnums;
const cacheBytes = 1024 ** 3;
const background = 4;
/** Of WebGL, drawn in turn by all viewports: browsers allow a page some sixteen. */
const contexts = 4;
const windowTexture = 1024;
const tableTexture = 4096;

/** The window tool, telling when a reader - not the file - chose the window. */
class ReaderWindowTool extends WindowLevelTool {
  static toolName = "ReaderWindow";

  mouseDragCallback(event) {
    event.detail.element.dispatchEvent(new CustomEvent("reader-window"));
    super.mouseDragCallback(event);
  }
}

const modes = {
  window: ReaderWindowTool.toolName,
  scroll: StackScrollTool.toolName,
  zoom: ZoomTool.toolName,
  pan: PanTool.toolName,
};

export { register };

/** Starts the renderer. To be called while the first metadata are still on their way. */
export async function start() {
  await initCore({ rendering: { webGlContextCount: contexts } });
  initTools();
  initImages({ workers: Math.min(4, Math.max(1, (navigator.hardwareConcurrency || 2) - 1)) });
  cache.setMaxCacheSize(cacheBytes);
  imageRetrievalPoolManager.setMaxSimultaneousRequests(RequestType.Prefetch, background);
  for (const tool of [ReaderWindowTool, StackScrollTool, ZoomTool, PanTool]) addTool(tool);
}

const share = createShare(background);
/** Stacks with pictures: they divide the cache. */
const filled = new Set();
let engine;
let made = 0;

/** Background fetches wait until what is given back is called. */
/** The values of a frame as they are displayed, one a pixel; fetched where they are not here yet. */
export async function valuesOf(imageId) {
  const image = await imageLoader.loadAndCacheImage(imageId, {
    useRGBA: false,
    requestType: RequestType.Prefetch,
    priority: 0,
  });
  return image.voxelManager.getScalarData();
}

export const holdBackground = () => share.hold();

/** Divides the cache anew: series that several viewports show count once. */
function divide() {
  const series = new Set([...filled].map((stack) => stack.key));
  for (const stack of filled) stack.allow((0.8 * cacheBytes) / Math.max(1, series.size));
}

let resizing = 0;
/** Viewports whose element has another size: what was fitted to the old one is fitted to the new one. */
const resized = new Set();
function resizeSoon(refit) {
  resized.add(refit);
  cancelAnimationFrame(resizing);
  resizing = requestAnimationFrame(() => {
    const fits = [...resized].map((each) => each());
    resized.clear();
    engine.resize(false, true);
    for (const fit of fits) fit?.();
    engine.render();
  });
}

/**
 * One stack viewport. All of them are drawn by one rendering engine.
 *
 * @param {HTMLElement} element
 * @param {object} on
 * @param {(shown: object) => void} on.shown a picture is on the screen (or its window, zoom changed)
 * @param {(index: number) => void} on.waiting the reader asked for a picture that is not here yet
 * @param {(index: number, error: RequestError) => void} on.failed the picture asked for can't be shown
 * @param {(loaded: number, wanted: number, failed: number) => void} on.progress
 */
export function createStack(element, on) {
  engine ??= new RenderingEngine("lightbox");
  const viewportId = `stack-${(made += 1)}`;
  engine.enableElement({
    viewportId,
    type: ViewportType.STACK,
    element,
    defaultOptions: { background: [0, 0, 0] },
  });
  const viewport = engine.getViewport(viewportId);
  const turning = createTurning(viewport);
  const tools = ToolGroupManager.createToolGroup(viewportId);
  for (const name of Object.values(modes)) tools.addTool(name);
  tools.addViewport(viewportId, "lightbox");

  let imageIds = [];
  let prefetcher;
  let loaded = new Set();
  let failed = new Map();
  let wanted = 0;
  let frameBytes = 1;
  let isActive = true;
  /** Range of values that a hanging protocol asks for. */
  let preset;
  /** What a presentation state says of a frame; undefined for nothing. */
  let presented = () => undefined;
  let laid;
  let readerWindow = false;
  let readerInvert = false;
  let mode = "window";
  // The index of what is on the screen; the viewport's own index runs ahead of it while loading.
  let shownIndex = -1;

  const idOf = (index) => imageIds[index];

  function bind() {
    const bindings = Object.fromEntries(Object.values(modes).map((name) => [name, []]));
    // Lengths are drawn by an overlay that takes the button itself.
    bindings[modes[mode]]?.push({ mouseButton: MouseBindings.Primary });
    const { right, middle, wheel } = mouseButtons();
    bindings[modes[right]].push({ mouseButton: MouseBindings.Secondary });
    bindings[modes[middle]].push({ mouseButton: MouseBindings.Auxiliary });
    bindings[modes[wheel]].push({ mouseButton: MouseBindings.Wheel });
    for (const [name, list] of Object.entries(bindings)) {
      tools.setToolPassive(name, { removeAllBindings: true });
      if (list.length) tools.setToolActive(name, { bindings: list });
    }
  }

  function report() {
    const image = viewport.getCornerstoneImage();
    if (shownIndex < 0 || !image) return;
    on.shown({
      index: shownIndex,
      count: imageIds.length,
      frame: frameOf(image.imageId),
      range: viewport.getProperties().voiRange,
      shape: curveFor(image).shape,
      state: stateFor(image),
      inverted: readerInvert,
      byReader: readerWindow,
      color: image.color === true,
      zoom: viewport.getZoom(),
      perPixel: turning.perPixel(),
      camera: viewport.getCamera(),
    });
  }

  const stateFor = (image) => presented(frameOf(image.imageId));
  const curveFor = (image) => (!image.color && stateFor(image)?.curve) || image.curve;
  const invertFor = (image) =>
    (stateFor(image)?.inverted ?? frameOf(image.imageId)?.photometric === "MONOCHROME1") !==
    readerInvert;

  /** The viewport carries window and inversion of one picture on to the next; each file has its own. */
  function applyDefaults(image) {
    const invert = invertFor(image);
    const curve = curveFor(image);
    const own = image.color || curve !== image.curve ? curve.range : (preset ?? curve.range);
    const voiRange = readerWindow ? viewport.getProperties().voiRange : own;
    viewport.setProperties({ voiRange, invert });
    if (!image.color) draw(curve, voiRange, invert);
  }

  /** Turns and places the picture as its state says, where the one before was said to lie otherwise. */
  function lay(image) {
    const state = stateFor(image);
    if (state?.key === laid) return;
    laid = state?.key;
    turning.forget();
    viewport.resetCamera();
    if (!state) return;
    turning.layOut(state.rotation, state.is_flipped);
    if (state.area) turning.showArea(state.area);
  }

  /** The file's own curve, over its own range or the reader's. Later ranges stretch what is set here. */
  function draw(curve, range, invert) {
    const { actor } = viewport.getDefaultActor();
    const transfer = utilities.createLinearRGBTransferFunction(range);
    transfer.setNodes(nodesOf(curve, range, invert));
    actor.getMapper().setColorTextureWidth(curve.greys.length > 2 ? tableTexture : windowTexture);
    actor.getProperty().setRGBTransferFunction(0, transfer);
  }

  function asError(reason) {
    const cause = reason?.error ?? reason;
    if (cause instanceof RequestError) return cause;
    if (cause instanceof XMLHttpRequest) {
      if (cause.status === 200) {
        const html = (cause.getResponseHeader("Content-Type") ?? "").startsWith("text/html");
        return new RequestError(html ? "session" : "broken", 200);
      }
      return new RequestError(kindOfStatus(cause.status), cause.status);
    }
    return new RequestError("broken");
  }

  element.addEventListener(Events.STACK_NEW_IMAGE, ({ detail }) => {
    // A picture that was under way when its series was taken away is not shown under another's name.
    if (idOf(detail.imageIdIndex) !== detail.image.imageId) return;
    shownIndex = detail.imageIdIndex;
    applyDefaults(detail.image);
    lay(detail.image);
    turning.apply();
    settle(shownIndex);
    report();
    aim();
  });
  element.addEventListener(Events.VOI_MODIFIED, report);
  element.addEventListener(Events.CAMERA_MODIFIED, report);
  element.addEventListener("reader-window", () => {
    readerWindow = true;
  });
  element.addEventListener(Events.STACK_VIEWPORT_SCROLL, ({ detail }) => {
    if (!cache.isLoaded(detail.imageId)) on.waiting(detail.newImageIdIndex);
  });
  element.addEventListener("contextmenu", (event) => event.preventDefault());
  eventTarget.addEventListener(Events.IMAGE_LOAD_ERROR, ({ detail }) => {
    if (!detail?.imageId || idOf(detail.imageIdIndex) !== detail.imageId) return;
    settle(detail.imageIdIndex, detail.error);
    // Another viewport may have failed to get what is on the screen here.
    if (detail.imageIdIndex === shownIndex) return;
    if (detail.imageIdIndex === viewport.getCurrentImageIdIndex()) {
      on.failed(detail.imageIdIndex, asError(detail.error));
    }
  });

  function settle(index, error) {
    if (error) {
      if (!loaded.has(index)) failed.set(index, asError(error));
    } else {
      failed.delete(index);
      loaded.add(index);
    }
    on.progress(loaded.size, wanted, failed.size);
  }

  function aim() {
    const order = fetchOrder(imageIds.length, viewport.getCurrentImageIdIndex(), wanted);
    prefetcher?.aim(order, (index) => loaded.has(index) || failed.has(index));
  }

  /** Notes the reader's zoom and place; what it gives back sets them in the new size. */
  function refit() {
    if (shownIndex < 0 || !element.clientWidth || !element.clientHeight) return undefined;
    const { zoom, pan } = relativeView();
    const rotation = viewport.getRotation();
    const { flipHorizontal, flipVertical, parallelScale } = viewport.getCamera();
    const fitted = viewport.sHeight / (parallelScale * zoom);
    return () => {
      viewport.resetCamera();
      if (flipHorizontal || flipVertical) viewport.flip({ flipHorizontal, flipVertical });
      const ratio = viewport.sHeight / viewport.getCamera().parallelScale / fitted;
      setRelative(zoom, pan, ratio);
      if (rotation) viewport.setRotation(rotation);
    };
  }

  /** Zoom against what fits, and how far the picture was moved at a zoom of one, in CSS pixels. */
  function relativeView() {
    const zoom = viewport.getZoom();
    return { zoom, pan: viewport.getPan().map((value) => value / zoom) };
  }

  function setRelative(zoom, pan, ratio) {
    viewport.setZoom(zoom);
    viewport.setPan(pan.map((value) => value * zoom * ratio));
  }

  new ResizeObserver(() => {
    const scale = window.devicePixelRatio || 1;
    const size = [element.clientWidth, element.clientHeight].map((each) =>
      Math.round(each * scale),
    );
    if (size[0] !== viewport.sWidth || size[1] !== viewport.sHeight) resizeSoon(refit);
  }).observe(element);
  bind();

  const member = {
    key: "",
    /** How many bytes its pictures may take. */
    allow(bytes) {
      const before = wanted;
      wanted = Math.min(imageIds.length, Math.max(1, Math.floor(bytes / frameBytes)));
      if (wanted === before) return;
      on.progress(loaded.size, wanted, failed.size);
      if (shownIndex >= 0) aim();
    },
  };

  const scaleOf = () => (2 * viewport.getCamera().parallelScale) / element.clientHeight;

  return {
    get index() {
      return viewport.getTargetImageIdIndex?.() ?? viewport.getCurrentImageIdIndex();
    },
    get shownIndex() {
      return shownIndex;
    },
    get mode() {
      return mode;
    },
    get inverted() {
      return readerInvert;
    },
    count: () => imageIds.length,
    frameAt: (index) => frameOf(idOf(index)),
    frames: () => imageIds.map(frameOf),
    entries: () => imageIds.map((imageId) => ({ imageId, frame: frameOf(imageId) })),
    isLoaded: (index) => cache.isLoaded(idOf(index)),
    /** Whether the reader works in this viewport: its pictures are fetched before others. */
    setActive(now) {
      isActive = now;
    },

    /**
     * Shows another stack, from `index`. The first picture comes first, its neighbours and the rest follow.
     *
     * @param {{url: string, frame: object}[]} entries
     * @param {object} [options]
     * @param {boolean} [options.keep] keep the reader's window, zoom and place: the same series, more images
     * @param {{lower: number, upper: number}} [options.range] of values to begin with, instead of the file's
     */
    async show(entries, index = 0, { keep = false, range } = {}) {
      prefetcher?.stop();
      if (!keep) preset = range;
      imageIds = entries.map(register);
      loaded = new Set(imageIds.flatMap((id, at) => (cache.isLoaded(id) ? [at] : [])));
      failed = new Map();
      const { rows = 1, columns = 1, samplesPerPixel, bitsAllocated = 16 } = entries[index].frame;
      // Rescaled pictures may take four bytes a value.
      frameBytes = rows * columns * (samplesPerPixel === 1 ? Math.max(4, bitsAllocated / 8) : 3);
      const previous = keep && readerWindow ? viewport.getProperties().voiRange : undefined;
      if (!keep) readerInvert = false;
      readerWindow = previous !== undefined;
      shownIndex = -1;
      const ids = imageIds;
      prefetcher = createPrefetcher({
        share,
        isUrgent: () => isActive,
        load: (at) =>
          imageLoader.loadAndCacheImage(ids[at], {
            useRGBA: false,
            requestType: RequestType.Prefetch,
            priority: 0,
          }),
        onSettled: (at, error) => ids === imageIds && settle(at, error),
      });
      const [{ url }] = entries;
      member.key = url.replace(/\/instances\/.*$/, "");
      filled.add(member);
      wanted = 0;
      divide();
      await viewport.setStack(imageIds, index);
      if (ids !== imageIds) return;
      if (previous) viewport.setProperties({ voiRange: previous });
      // The viewport carries zoom and place over to the next stack.
      if (!keep) {
        laid = undefined;
        turning.forget();
        viewport.resetCamera();
      }
      viewport.render();
      report();
    },

    clear() {
      prefetcher?.stop();
      imageIds = [];
      shownIndex = -1;
      if (filled.delete(member)) divide();
    },

    scrollTo(index) {
      if (!imageIds.length) return;
      const target = Math.min(imageIds.length - 1, Math.max(0, index));
      viewport.scroll(target - (viewport.targetImageIdIndex ?? 0));
    },
    scrollBy(delta) {
      if (imageIds.length) viewport.scroll(delta);
    },

    /** Tries again what failed. */
    async retry() {
      failed = new Map();
      const index = viewport.getCurrentImageIdIndex();
      if (index !== shownIndex) await viewport.setStack(imageIds, index);
      viewport.render();
      aim();
    },

    setMode(name) {
      mode = name;
      bind();
    },

    /** As the file asks for: window, zoom, place, inversion. */
    reset() {
      const image = viewport.getCornerstoneImage();
      if (!image) return;
      readerWindow = false;
      readerInvert = false;
      turning.forget();
      viewport.resetCamera();
      laid = undefined;
      lay(image);
      turning.setSmooth(true);
      applyDefaults(image);
      viewport.render();
      report();
    },

    /** Shows the pictures as a presentation state says; without one, as their files do. */
    present(of = () => undefined) {
      presented = of;
      // Another state may say the same by another name.
      laid = Number.NaN;
      readerWindow = false;
      readerInvert = false;
      const image = viewport.getCornerstoneImage();
      if (!image || shownIndex < 0) return;
      applyDefaults(image);
      lay(image);
      viewport.render();
      report();
    },

    invert() {
      const image = viewport.getCornerstoneImage();
      if (!image) return;
      readerInvert = !readerInvert;
      applyDefaults(image);
      viewport.render();
      report();
    },

    setWindow(range) {
      readerWindow = true;
      viewport.setProperties({ voiRange: range });
      viewport.render();
    },

    /** Zoom and place: mm a CSS pixel, the place at the middle, and both against what fits. */
    view() {
      const { focalPoint } = viewport.getCamera();
      const height = element.clientHeight;
      return { scale: scaleOf(), focal: [...focalPoint], height, ...relativeView() };
    },
    setZoom(zoom) {
      viewport.setZoom(zoom);
      viewport.render();
    },
    /** The zoom and place of another viewport, relative to what fits there. */
    setRelativeView({ zoom, pan, height }) {
      setRelative(zoom, pan, element.clientHeight / height);
      viewport.render();
    },
    /** The same place of the patient at the middle, at the same scale. */
    setPlacedView({ scale, focal }) {
      const camera = viewport.getCamera();
      const off = focal.map((value, axis) => value - camera.focalPoint[axis]);
      const depth = off.reduce((sum, value, axis) => sum + value * camera.viewPlaneNormal[axis], 0);
      const shift = off.map((value, axis) => value - depth * camera.viewPlaneNormal[axis]);
      const moved = (place) => place.map((value, axis) => value + shift[axis]);
      viewport.setCamera({
        parallelScale: (scale * element.clientHeight) / 2,
        focalPoint: moved(camera.focalPoint),
        position: moved(camera.position),
      });
      viewport.render();
    },
    /** Left and right changed about; the letters at the edges follow the camera. */
    mirror() {
      turning.mirrorAcross();
      report();
    },
    /** Moves the picture to the left or the right edge of the viewport. */
    align(edge) {
      const [[x1], [x2]] = this.corners();
      const [left, right] = [Math.min(x1, x2), Math.max(x1, x2)];
      const by = edge === "left" ? -left : element.clientWidth - right;
      const [x, y] = viewport.getPan();
      viewport.setPan([x + by, y]);
      viewport.render();
    },

    /** How the picture lies: turned, mirrored, pixel for pixel. */
    turning,

    /** What a lens draws: values as displayed, and how they become grey. */
    look() {
      const image = viewport.getCornerstoneImage();
      if (!image || shownIndex < 0) return undefined;
      return {
        rows: image.rows,
        columns: image.columns,
        samples: image.numberOfComponents ?? 1,
        values: image.voxelManager.getScalarData(),
        range: viewport.getProperties().voiRange,
        greys: curveFor(image).greys,
        isInverted: invertFor(image),
      };
    },

    range: () => viewport.getProperties().voiRange,
    pixels() {
      const image = viewport.getCornerstoneImage();
      return image && shownIndex >= 0 ? pixelsOf(image) : undefined;
    },
    canvas: () => viewport.getCanvas(),

    /** The pixel at a place on the canvas (CSS pixels), the centre of the first being [0, 0]. */
    toPixel(point) {
      const { imageData } = viewport.getImageData();
      return imageData.worldToIndex(viewport.canvasToWorld(point)).slice(0, 2);
    },
    /** The place of a pixel on the canvas. */
    toCanvas([column, row]) {
      const { imageData } = viewport.getImageData();
      return viewport.worldToCanvas(imageData.indexToWorld([column, row, 0]));
    },

    /** Where the outer corners of the picture are on the canvas: top left and bottom right, in CSS pixels. */
    corners() {
      const { imageData, dimensions } = viewport.getImageData();
      return [
        [-0.5, -0.5, 0],
        [dimensions[0] - 0.5, dimensions[1] - 0.5, 0],
      ].map((index) => viewport.worldToCanvas(imageData.indexToWorld(index)));
    },
  };
}
