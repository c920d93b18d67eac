/** One plane of a volume on the screen: picture, lines of the other planes, letters, scale. */
import { make, svg, write } from "../dom.js";
import { lettersOf } from "../orientation.js";
import { cross, dot, plus, scaled, unit } from "../vectors.js";
import { depthOf } from "./geometry.js";
import { layersOf, paint } from "./resample.js";

const NEAR = 9;
const HANDLE = 0.36;
/** While the hand moves, a picture of each view should be there after so many milliseconds. */
const PATIENCE = 12;
const COARSEST = 5;

/**
 * @param {string} name "axial", "coronal", "sagittal"
 * @param {object} world what the views share: `volume`, `place` (of the crosshairs, mm), `ways` (by name, the
 *   directions `right` and `down`), `range`, `isInverted`, `slab`, `middle` (mm)
 */
export function createView(name, world) {
  const canvas = make("canvas", { className: "volume-picture", role: "img" });
  const lines = svg("svg", { class: "volume-lines", "aria-hidden": "true" });
  const title = make("p", { className: "corner corner-top-left" });
  const facts = make("p", { className: "corner corner-bottom-left numbers" });
  const badges = make("div", { className: "badges" });
  const edges = Object.fromEntries(
    ["top", "bottom", "left", "right"].map((edge) => [
      edge,
      make("span", { className: `edge edge-${edge}` }),
    ]),
  );
  const root = make(
    "div",
    { className: "volume-view", tabindex: "0", data: { view: name } },
    canvas,
    lines,
    title,
    facts,
    badges,
    ...Object.values(edges),
  );
  canvas.setAttribute("aria-label", `${name} plane`);
  const { every } = world.volume.grid;
  if (every > 1)
    badges.append(
      make("strong", {
        className: "badge badge-warn",
        text: `Every ${{ 2: "second", 3: "third", 4: "fourth" }[every]} slice only`,
      }),
    );

  /** Millimetres to a CSS pixel; undefined until the view has a size. */
  let mm;
  /** What the reader moved the picture by, along right and down, in mm. */
  let moved = [0, 0];
  /** The picture on the screen. */
  let shown;
  let image;
  /** A quick picture is on its way, and another one is wanted since. */
  let isUnderWay = false;
  let isWanted = false;

  const others = () => Object.keys(world.ways).filter((each) => each !== name);
  const ways = () => world.ways[name];
  const depth = () => depthOf(ways());

  /** The middle of the picture: it stays where it is while the crosshairs move. */
  function centre() {
    const away = depth();
    const level = scaled(away, dot(plus(world.place, world.middle, -1), away));
    const still = plus(world.middle, level);
    return plus(plus(still, ways().right, moved[0]), ways().down, moved[1]);
  }

  function fit() {
    const { clientWidth: width, clientHeight: height } = root;
    if (!width || !height) return;
    const reach = (direction) => 2 * world.reach(direction);
    mm = Math.max(reach(ways().right) / width, reach(ways().down) / height);
    moved = [0, 0];
  }

  const toScreen = (place) => {
    const away = plus(place, centre(), -1);
    return [
      root.clientWidth / 2 + dot(away, ways().right) / mm,
      root.clientHeight / 2 + dot(away, ways().down) / mm,
    ];
  };
  const toPlace = ([x, y]) =>
    plus(
      plus(centre(), ways().right, (x - root.clientWidth / 2) * mm),
      ways().down,
      (y - root.clientHeight / 2) * mm,
    );

  /** Where the plane of another view cuts this one, as a direction on the screen. */
  function lineOf(other) {
    const direction = unit(cross(depth(), depthOf(world.ways[other])));
    return [dot(direction, ways().right), dot(direction, ways().down)];
  }

  function handles() {
    const [x, y] = toScreen(world.place);
    const far = HANDLE * Math.min(root.clientWidth, root.clientHeight);
    return others().flatMap((other) => {
      const [dx, dy] = lineOf(other);
      return [-1, 1].map((side) => ({ other, x: x + side * far * dx, y: y + side * far * dy }));
    });
  }

  function drawnLines() {
    const [x, y] = toScreen(world.place);
    const long = root.clientWidth + root.clientHeight;
    const parts = others().map((other) => {
      const [dx, dy] = lineOf(other);
      return svg("line", {
        class: `volume-line volume-line-${other}`,
        x1: x - dx * long,
        y1: y - dy * long,
        x2: x + dx * long,
        y2: y + dy * long,
      });
    });
    const knobs = handles().map(({ other, x: cx, y: cy }) =>
      svg("circle", { class: `volume-knob volume-line-${other}`, cx, cy, r: 5 }),
    );
    const length = [100, 50, 20, 10, 5, 2, 1].find((each) => each / mm < root.clientWidth / 3) ?? 1;
    const [right, bottom] = [root.clientWidth - 14, root.clientHeight - 16];
    const scale = svg("line", {
      class: "volume-scale",
      x1: right - length / mm,
      y1: bottom,
      x2: right,
      y2: bottom,
    });
    const words = svg("text", { class: "volume-scale-text", x: right, y: bottom - 6 });
    words.setAttribute("text-anchor", "end");
    words.textContent = `${length} mm`;
    return [...parts, ...knobs, scale, words];
  }

  function titleOf({ slab }) {
    const slabs = { average: "average", mip: "MIP", minip: "MinIP" };
    const thick = slab.mm > 0 ? `, ${slab.mm} mm ${slabs[slab.how]}` : "";
    return `${name[0].toUpperCase()}${name.slice(1)}${thick}`;
  }

  /** What stands over the picture that is asked for now; it is shown together with it. */
  function words() {
    const { right, down } = ways();
    const marks = drawnLines();
    const texts = [
      [edges.right, lettersOf(right)],
      [edges.left, lettersOf(scaled(right, -1))],
      [edges.bottom, lettersOf(down)],
      [edges.top, lettersOf(scaled(down, -1))],
      [title, titleOf(world)],
    ];
    return () => {
      lines.replaceChildren(...marks);
      for (const [element, text] of texts) write(element, text);
    };
  }

  function paintShown() {
    if (!shown) return;
    const { width, height, values } = shown;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    if (image?.width !== width || image.height !== height)
      image = pen.createImageData(width, height);
    paint(values, world.range, world.isInverted, image.data);
    pen.putImageData(image, 0, 0);
    const { lower, upper } = world.range;
    write(
      facts,
      `W ${Math.round(upper - lower)}  L ${Math.round((upper + lower) / 2)}\nZoom ${Math.round((world.finest / mm) * 100)} %`,
    );
  }

  /** Size of a picture's pixel, in those of the screen, that a moving hand can wait for. */
  function coarseness(pixels) {
    const samples = pixels * layersOf(world.volume.grid, world.slab);
    const wanted = Math.ceil(Math.sqrt(samples / world.volume.samplesIn(PATIENCE)));
    return Math.min(COARSEST, Math.max(1, wanted));
  }

  async function ask(isMoving) {
    const ratio = window.devicePixelRatio || 1;
    const full = [root.clientWidth * ratio, root.clientHeight * ratio];
    const coarse = isMoving ? coarseness(full[0] * full[1]) : 1;
    const [width, height] = full.map((each) => Math.max(1, Math.round(each / coarse)));
    const step = (mm * root.clientWidth) / width;
    const plane = { centre: centre(), ...ways(), mm: step, width, height };
    const show = words();
    const values = await world.volume.picture(name, plane, { ...world.slab });
    if (!values || !root.isConnected) return;
    shown = { values, width, height };
    paintShown();
    show();
  }

  return {
    name,
    root,
    fit,
    toPlace,
    toScreen,

    /** The same picture in another window. */
    repaint: paintShown,

    /**
     * Asks for the picture and shows it when it comes; one that was overtaken is never shown.
     *
     * @param {boolean} isMoving whether a quick picture is worth more than a sharp one
     */
    async draw(isMoving = false) {
      if (!mm) fit();
      if (!mm) return;
      // Quick pictures are not overtaken: a hand that never rests would see none.
      if (isMoving && isUnderWay) {
        isWanted = true;
        return;
      }
      isUnderWay = isMoving;
      await ask(isMoving);
      if (!isMoving) return;
      const goesOn = isUnderWay && isWanted;
      isUnderWay = isWanted = false;
      if (goesOn) await this.draw(true);
    },

    /** The knob at a place on the screen, if there is one. */
    knobAt: ([x, y]) => handles().find((each) => Math.hypot(each.x - x, each.y - y) <= NEAR),

    zoom(factor) {
      if (mm) mm = Math.min(20, Math.max(0.02, mm / factor));
    },
    pan(x, y) {
      moved = [moved[0] - x * mm, moved[1] - y * mm];
    },

    /** The value that is shown at a place on the screen; undefined where there is nothing. */
    valueAt([x, y]) {
      if (!shown) return undefined;
      const column = Math.floor((x / root.clientWidth) * shown.width);
      const row = Math.floor((y / root.clientHeight) * shown.height);
      const value = shown.values[row * shown.width + column];
      return value === undefined || Number.isNaN(value) ? undefined : value;
    },
  };
}
