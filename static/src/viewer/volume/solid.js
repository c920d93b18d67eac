/** A series in three dimensions, in one viewport: greatest values on each ray (MIP), or surfaces. */
import { createCover } from "../cover.js";
import { make, svg, write } from "../dom.js";
import { lettersOf } from "../orientation.js";
import { dot, plus } from "../vectors.js";
import { measure } from "../wording.js";
import { boxOf, middleOf } from "./box.js";
import { edgesOf, rightOf, rolledBy, stands, turnedBy } from "./camera.js";
import { NoVolume } from "./geometry.js";
import { looks, looksOf } from "./looks.js";
import { createQuality } from "./quality.js";
import { scaleBar } from "./scale-bar.js";
import { createVolume } from "./volume.js";

const SHARP_AFTER = 160;
const STEP = Math.PI / 12;
const TURN = Math.PI / 360; // a CSS pixel
const TRIES = 3;
const AGAIN = 2000;

const messages = {
  lost: {
    title: "The 3D picture was lost",
    text: "The graphics card took its memory back. The other viewports are not touched.",
  },
  none: {
    title: "No 3D picture here",
    text: "This browser draws no WebGL: it is switched off, or the graphics card is not supported.",
  },
  room: {
    title: "No 3D picture of this series",
    text: "This browser has not the memory for it. Close other viewports or windows.",
  },
  failed: {
    title: "The series could not be loaded",
    text: "None of its images came. The server or the network may be away.",
  },
};

/**
 * @param {HTMLElement} stage the viewport that it covers
 * @param {object} options
 * @param {{frame: object, imageId: string}[]} options.entries of the series
 * @param {(imageId: string) => Promise<ArrayLike<number>>} options.load
 * @param {{lower: number, upper: number}} options.range the window to begin with
 * @param {boolean} options.isInverted
 * @param {string} options.label of the series
 * @param {string} options.patient lines of the patient
 * @param {string} options.series lines of the series
 * @param {() => void} options.onClose
 */
export function openSolid(stage, options) {
  const { entries, load, label, patient, series, onClose } = options;
  let volume;
  try {
    volume = createVolume(entries, load);
  } catch (error) {
    if (error instanceof NoVolume) return { refused: error.message };
    throw error;
  }
  const { grid } = volume;
  const box = boxOf(grid);
  const names = looksOf(entries[0].frame);
  const first = { range: { ...options.range }, isInverted: options.isInverted };

  let view = { ...stands.A };
  let middle = middleOf(box);
  /** Of the picture, in mm. */
  let height;
  let how = { name: names[0], range: { ...first.range }, shift: 0, isInverted: first.isInverted };
  let scene;
  let solid;
  let isOver = false;
  let frame = 0;
  let timer = 0;
  let drag;
  let quality = createQuality();
  let part = 1;

  const surface = make("div", { className: "solid-surface" });
  const lines = svg("svg", { class: "volume-lines", "aria-hidden": "true" });
  const facts = make("p", { className: "corner corner-bottom-left numbers" });
  const edges = Object.fromEntries(
    ["top", "bottom", "left", "right"].map((edge) => [
      edge,
      make("span", { className: `edge edge-${edge}` }),
    ]),
  );
  const badges = make("div", { className: "badges" });
  const coverElement = make("div", { className: "cover solid-cover" });
  const cover = createCover(coverElement);
  const menu = make(
    "select",
    { className: "field", "aria-label": "How it is drawn" },
    ...names.map((name) => make("option", { value: name, text: looks[name].name })),
  );
  const standButtons = Object.entries(stands).map(([letter, { name }], at) => {
    const button = make("button", {
      className: "viewer-button solid-stand",
      type: "button",
      text: letter,
      title: `${name} (${at + 1})`,
      "aria-label": name,
      "aria-keyshortcuts": String(at + 1),
    });
    button.addEventListener("click", () => stand(letter));
    return button;
  });
  const closeButton = make(
    "button",
    { className: "viewer-button", type: "button", "aria-keyshortcuts": "Escape" },
    "Close ",
    make("kbd", { text: "Esc" }),
  );
  const tools = make(
    "div",
    { className: "solid-tools", role: "group", "aria-label": "3D" },
    menu,
    make(
      "span",
      { className: "solid-stands", role: "group", "aria-label": "Look from" },
      ...standButtons,
    ),
    closeButton,
  );
  const root = make(
    "section",
    { className: "solid", "aria-label": `3D, ${label}`, tabindex: "-1" },
    make(
      "div",
      { className: "solid-stage" },
      surface,
      lines,
      make("p", { className: "corner corner-top-left", text: patient, dir: "auto" }),
      make("p", { className: "corner corner-top-right", text: series }),
      facts,
      ...Object.values(edges),
      badges,
      coverElement,
    ),
    tools,
  );
  stage.append(root);

  const mm = () => height / surface.clientHeight;
  const reach = (direction) =>
    box.ways.reduce(
      (sum, way, axis) => sum + box.size[axis] * box.spacing[axis] * Math.abs(dot(way, direction)),
      0,
    );

  function fit() {
    const { clientWidth, clientHeight } = surface;
    if (!clientWidth || !clientHeight) return;
    const wide = (reach(rightOf(view)) * clientHeight) / clientWidth;
    height = 1.05 * Math.max(reach(view.up), wide);
    middle = middleOf(box);
  }

  function drawWords() {
    for (const [edge, way] of Object.entries(edgesOf(view))) write(edges[edge], lettersOf(way));
    lines.replaceChildren(...scaleBar(surface.clientWidth, surface.clientHeight, mm()));
    const { lower, upper } = how.range;
    const look = looks[how.name];
    const window = `W ${Math.round(upper - lower)}  L ${Math.round((upper + lower) / 2)}`;
    const shift = how.shift ? `${how.shift > 0 ? "+" : ""}${Math.round(how.shift)} HU` : "";
    const setting = look.kind === "greatest" || look.isRelative ? window : shift;
    write(
      facts,
      [
        [look.name, setting].filter(Boolean).join("  "),
        `Voxels ${box.spacing.map((each) => measure(each)).join(" × ")} mm`,
      ].join("\n"),
    );
    const said = [
      ...(grid.every > 1 ? [`Slices used: ${grid.size[2]} of ${grid.total}`] : []),
      ...(volume.loaded < grid.size[2]
        ? [`Not loaded completely: ${volume.loaded} of ${grid.size[2]} slices`]
        : []),
      ...(box.isCoarser ? ["Coarser than the series"] : []),
      ...(part < 0.6 && !timer ? ["Drawn small: no time for more on this computer"] : []),
    ];
    badges.replaceChildren(
      ...said.map((text) => make("span", { className: "badge badge-warn", text })),
    );
    root.dataset.from =
      Object.keys(stands).find(
        (letter) =>
          dot(stands[letter].toward, view.toward) > 0.9999 &&
          dot(stands[letter].up, view.up) > 0.9999,
      ) ?? "";
    for (const [at, letter] of Object.keys(stands).entries())
      standButtons[at].setAttribute("aria-pressed", String(root.dataset.from === letter));
    scene.canvas.setAttribute("aria-label", `${label}, ${look.name}`);
  }

  function render(isQuick) {
    if (!scene || !surface.clientWidth) return;
    if (!height) fit();
    const ratio = window.devicePixelRatio || 1;
    const full = [surface.clientWidth * ratio, surface.clientHeight * ratio];
    part = quality.partOf(...full, isQuick);
    const [width, tall] = full.map((each) => Math.max(1, Math.round(each * part)));
    scene.setView(view, middle, height);
    quality.note(width * tall, scene.render(width, tall, isQuick), isQuick);
    root.dataset.drawn = isQuick ? "quick" : "sharp";
    drawWords();
  }

  /** Draws soon: quickly while the hand moves, sharply when it rests. */
  function draw(isMoving = false) {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    timer = 0;
    delete root.dataset.drawn;
    frame = requestAnimationFrame(() => {
      if (isMoving) timer = setTimeout(draw, SHARP_AFTER);
      render(isMoving);
    });
  }

  function setLook(change, isMoving = false) {
    how = { ...how, ...change };
    if (menu.value !== how.name) menu.value = how.name;
    if (!scene) return;
    scene.setLook({ ...how, look: looks[how.name] });
    draw(isMoving);
  }

  function stand(letter) {
    view = { ...stands[letter] };
    draw(true);
  }

  function turn(right, down) {
    view = turnedBy(view, right, down);
    draw(true);
  }

  function zoom(factor) {
    if (!height) return;
    height = Math.min(5000, Math.max(5, height / factor));
    draw(true);
  }

  function pan(x, y) {
    middle = plus(plus(middle, rightOf(view), -x * mm()), view.up, y * mm());
    draw(true);
  }

  function reset() {
    view = { ...stands.A };
    fit();
    setLook({ range: { ...first.range }, shift: 0, isInverted: first.isInverted });
  }

  function letGo() {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    if (!scene) return;
    scene.canvas.removeEventListener("webglcontextlost", onLost);
    try {
      scene.close();
    } catch (error) {
      // A context that is lost may refuse to be tidied up.
      console.warn(error);
    }
    scene = undefined;
    surface.replaceChildren();
  }

  function onLost() {
    letGo();
    fail(messages.lost, show);
  }

  function close() {
    if (isOver) return;
    isOver = true;
    volume.close();
    letGo();
    watcher.disconnect();
    root.remove();
    onClose();
  }

  function fail({ title, text }, onPress) {
    cover.error({ title, lines: [text], actions: [{ label: "Try again", onPress }] });
    root.dataset.status = "failed";
  }

  const bar = make("progress", { max: "1", value: "0", "aria-label": "Loading" });
  function tell(text, done) {
    cover.loading(text);
    coverElement.append(bar);
    bar.value = done;
    root.dataset.status = "loading";
  }

  /** Makes the picture of what was loaded. */
  function show() {
    quality = createQuality();
    try {
      scene = createSceneIn(surface, solid);
      scene.canvas.setAttribute("role", "img");
      scene.canvas.addEventListener("webglcontextlost", onLost);
      setLook({});
      // The first picture compiles and uploads: how long it takes says nothing.
      scene.setView(view, middle, height ?? 100);
      scene.render(16, 16, true);
    } catch (error) {
      console.warn(error);
      letGo();
      fail(messages.none, show);
      return;
    }
    cover.clear();
    root.dataset.status = "ready";
    draw(true);
  }

  function again() {
    volume.close();
    volume = createVolume(entries, load);
    begin();
  }

  let createSceneIn;
  async function begin() {
    const slices = grid.size[2];
    const coming = import("./scene.js");
    coming.catch(() => {});
    tell(`Loading ${volume.loaded} of ${slices} slices`, 0);
    for (let time = 0; time < TRIES && volume.loaded < slices && volume.hasRoom; time += 1) {
      if (time) await new Promise((resolve) => setTimeout(resolve, AGAIN));
      await volume.fill(() =>
        tell(`Loading ${volume.loaded} of ${slices} slices`, (0.8 * volume.loaded) / slices),
      );
      if (isOver) return;
    }
    if (!volume.hasRoom) {
      fail(messages.room, again);
      return;
    }
    if (!volume.loaded) {
      fail(messages.failed, again);
      return;
    }
    tell("Preparing the picture", 0.8);
    const found = await volume.box(box, (done) => tell("Preparing the picture", 0.8 + 0.2 * done));
    if (isOver) return;
    if (!found) {
      fail(messages.room, again);
      return;
    }
    solid = { box, values: found.values };
    // The worker's own voxels are needed no more.
    volume.close();
    try {
      ({ createScene: createSceneIn } = await coming);
    } catch {
      fail(messages.failed, again);
      return;
    }
    if (!isOver) show();
  }

  surface.addEventListener("pointerdown", (event) => {
    if (event.button > 2 || !scene) return;
    event.preventDefault();
    root.focus({ preventScroll: true });
    drag = { button: event.button, x: event.clientX, y: event.clientY };
    surface.setPointerCapture(event.pointerId);
  });
  surface.addEventListener("pointermove", (event) => {
    if (!drag || !scene) return;
    const [x, y] = [event.clientX - drag.x, event.clientY - drag.y];
    Object.assign(drag, { x: event.clientX, y: event.clientY });
    if (drag.button === 1 || event.shiftKey) pan(x, y);
    else if (drag.button === 2) bend(x, y);
    else turn(x * TURN, y * TURN);
  });
  for (const over of ["pointerup", "pointercancel"])
    surface.addEventListener(over, () => {
      drag = undefined;
    });

  /** Window of what follows it; a look in HU is moved along the values. */
  function bend(x, y) {
    const look = looks[how.name];
    const { lower, upper } = how.range;
    if (look.kind !== "greatest" && !look.isRelative) {
      setLook({ shift: how.shift + y }, true);
      return;
    }
    const width = Math.max(1e-6, upper - lower);
    const level = (upper + lower) / 2 + (y * width) / 300;
    const wide = Math.max(1e-6, width * (1 + x / 300));
    setLook({ range: { lower: level - wide / 2, upper: level + wide / 2 } }, true);
  }

  surface.addEventListener("contextmenu", (event) => event.preventDefault());
  root.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      event.stopPropagation();
      zoom(event.deltaY < 0 ? 1.12 : 1 / 1.12);
    },
    { passive: false },
  );
  menu.addEventListener("change", () => setLook({ name: menu.value }));
  closeButton.addEventListener("click", close);

  const watcher = new ResizeObserver(() => {
    if (scene) draw();
  });
  watcher.observe(surface);
  begin().catch((error) => {
    console.error(error);
    if (!isOver) fail(messages.failed, again);
  });

  const keys = {
    arrowleft: () => turn(-STEP, 0),
    arrowright: () => turn(STEP, 0),
    arrowup: () => turn(0, -STEP),
    arrowdown: () => turn(0, STEP),
    "+": () => zoom(1.15),
    "-": () => zoom(1 / 1.15),
    ...Object.fromEntries(
      Object.keys(stands).map((letter, at) => [String(at + 1), () => stand(letter)]),
    ),
  };

  return {
    close,
    root,
    /** A key press that is the solid's own. @returns {boolean} whether it was */
    press(event) {
      if (event.ctrlKey || event.altKey || event.metaKey || !scene) return false;
      const action = keys[event.key.toLowerCase()];
      action?.();
      return Boolean(action);
    },
    /** What of the page's actions it does itself. */
    actions: {
      reset,
      escape: close,
      invert: () => setLook({ isInverted: !how.isInverted }),
      "turn-left": () => {
        view = rolledBy(view, -Math.PI / 2);
        draw(true);
      },
      "turn-right": () => {
        view = rolledBy(view, Math.PI / 2);
        draw(true);
      },
      solid: close,
    },
    /** For checks: turned from the front by degrees, where a place is on the screen, what it looks like. */
    turnTo(right, down) {
      view = turnedBy(turnedBy(stands.A, (right * Math.PI) / 180, 0), 0, (down * Math.PI) / 180);
      draw();
    },
    state: () => ({ ...how, view, middle, height, status: root.dataset.status }),
    pixels: () => scene.pixels(),
  };
}
