/** One plane of a volume on the screen: picture, lines of the other planes, letters, scale. */
import { make, svg, write } from "../dom.js";
import { lettersOf } from "../orientation.js";
import { cross, dot, plus, scaled, unit } from "../vectors.js";
import { measure } from "../wording.js";
import { layOver } from "./colours.js";
import { depthOf } from "./geometry.js";
import { layersOf, paint } from "./resample.js";
import { scaleBar } from "./scale-bar.js";

const NEAR = 9;
const HANDLE = 0.36;
/** While the hand moves, a picture of each view should be there after so many milliseconds. */
const PATIENCE = 12;
const COARSEST = 5;

/**
 * @param {string} name "axial", "coronal", "sagittal"
 * @param {object} world what the views share: `volume`, `place` (of the crosshairs, mm), `ways` (by name, the
 *   directions `right` and `down`), `range`, `isInverted`, `slab`, `middle` (mm), `frames` (zoom and place by
 *   name), `over` (fusion.js; undefined for nothing)
 * @param {boolean} [isAlone] whether it shows what is laid over, alone: in grey, what is high black
 */
export function createView(name, world, isAlone = false) {
  const id = isAlone ? `${name}-over` : name;
  const canvas = make("canvas", { className: "volume-picture", role: "img" });
  const lines = svg("svg", { class: "volume-lines", "aria-hidden": "true" });
  const title = make("p", { className: "corner corner-top-left" });
  const facts = make("p", { className: "corner corner-bottom-left numbers" });
  const probe = make("p", { className: "corner corner-bottom-right numbers" });
  const badges = make("div", { className: "badges" });
  const edges = Object.fromEntries(
    ["top", "bottom", "left", "right"].map((edge) => [
      edge,
      make("span", { className: `edge edge-${edge}` }),
    ]),
  );
  const root = make(
    "div",
    { className: "volume-view", tabindex: "0", data: { view: id } },
    canvas,
    lines,
    title,
    facts,
    probe,
    badges,
    ...Object.values(edges),
  );
  canvas.setAttribute("aria-label", `${name} plane${isAlone ? ", PET" : ""}`);
  const { every } = world.volume.grid;
  if (every > 1)
    badges.append(
      make("strong", {
        className: "badge badge-warn",
        text: `Every ${{ 2: "second", 3: "third", 4: "fourth" }[every]} slice only`,
      }),
    );

  /**
   * `mm` to a CSS pixel, undefined until the view has a size; what the reader `moved` the picture by, along
   * right and down, in mm. Views of one plane share it.
   */
  const at = (world.frames[name] ??= { mm: undefined, moved: [0, 0] });
  /** The picture on the screen. */
  let shown;
  let image;
  /** A quick picture is on its way, and another one is wanted since. */
  let asked = 0;
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
    return plus(plus(still, ways().right, at.moved[0]), ways().down, at.moved[1]);
  }

  function fit() {
    const { clientWidth: width, clientHeight: height } = root;
    if (!width || !height) return;
    const reach = (direction) => 2 * world.reach(direction);
    at.mm = Math.max(reach(ways().right) / width, reach(ways().down) / height);
    at.moved = [0, 0];
  }

  const toScreen = (place) => {
    const away = plus(place, centre(), -1);
    return [
      root.clientWidth / 2 + dot(away, ways().right) / at.mm,
      root.clientHeight / 2 + dot(away, ways().down) / at.mm,
    ];
  };
  const toPlace = ([x, y]) =>
    plus(
      plus(centre(), ways().right, (x - root.clientWidth / 2) * at.mm),
      ways().down,
      (y - root.clientHeight / 2) * at.mm,
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
    return [...parts, ...knobs, ...scaleBar(root.clientWidth, root.clientHeight, at.mm)];
  }

  function titleOf({ slab }) {
    const slabs = { average: "average", mip: "MIP", minip: "MinIP" };
    const thick = slab.mm > 0 ? `, ${slab.mm} mm ${slabs[slab.how]}` : "";
    const what = isAlone ? "PET, " : "";
    return `${what}${isAlone ? name : name[0].toUpperCase() + name.slice(1)}${thick}`;
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

  function windowOf({ range, uptake: { factor, unit } }) {
    const [lower, upper] = [range.lower, range.upper].map((end) => measure(end * factor, 1));
    return `PET ${lower} to ${upper} ${unit}`;
  }

  function paintShown() {
    if (!shown) return;
    const { width, height, values, above, over } = shown;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    if (image?.width !== width || image.height !== height)
      image = pen.createImageData(width, height);
    if (isAlone) {
      paint(above, over.range, true, image.data);
    } else {
      paint(values, world.range, world.isInverted, image.data);
      if (above) layOver(above, over.range, over.colours, over.opacity, image.data);
    }
    pen.putImageData(image, 0, 0);
    const { lower, upper } = world.range;
    const window = `W ${Math.round(upper - lower)}  L ${Math.round((upper + lower) / 2)}`;
    write(
      facts,
      [
        ...(isAlone ? [] : [window]),
        ...(over ? [windowOf(over)] : []),
        `Zoom ${Math.round((world.finest / at.mm) * 100)} %`,
      ].join("\n"),
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
    const step = (at.mm * root.clientWidth) / width;
    const plane = { centre: centre(), ...ways(), mm: step, width, height };
    const show = words();
    const slab = { ...world.slab };
    const { over } = world;
    if (isAlone && !over) return;
    const [values, above] = await Promise.all([
      isAlone ? undefined : world.volume.picture(id, plane, slab),
      over?.volume.picture(id, plane, slab),
    ]);
    const isWhole = (isAlone || values) && (!over || above);
    if (!isWhole || over !== world.over || !root.isConnected) return;
    shown = { values, above, over, width, height };
    root.dataset.pictures = String(1 + Number(root.dataset.pictures ?? 0));
    paintShown();
    show();
  }

  function valueOf(layer, [x, y]) {
    if (!shown?.[layer]) return undefined;
    const column = Math.floor((x / root.clientWidth) * shown.width);
    const row = Math.floor((y / root.clientHeight) * shown.height);
    const value = shown[layer][row * shown.width + column];
    return value === undefined || Number.isNaN(value) ? undefined : value;
  }

  return {
    id,
    name,
    isAlone,
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
      if (!at.mm) fit();
      if (!at.mm) return;
      const number = (asked += 1);
      // Quick pictures are not overtaken: a hand that never rests would see none.
      if (isMoving && isUnderWay) {
        isWanted = true;
        return;
      }
      isUnderWay = isMoving;
      await ask(isMoving);
      if (!isMoving) {
        if (number === asked) root.dataset.sharp = "true";
        return;
      }
      const goesOn = isUnderWay && isWanted;
      isUnderWay = isWanted = false;
      if (goesOn) await this.draw(true);
    },

    /** The knob at a place on the screen, if there is one. */
    knobAt: ([x, y]) => handles().find((each) => Math.hypot(each.x - x, each.y - y) <= NEAR),

    zoom(factor) {
      if (at.mm) at.mm = Math.min(20, Math.max(0.02, at.mm / factor));
    },
    pan(x, y) {
      at.moved = [at.moved[0] - x * at.mm, at.moved[1] - y * at.mm];
    },

    /** The value that is shown at a place on the screen; undefined where there is nothing. */
    valueAt: (point) => valueOf("values", point),
    /** The value of what is laid over. */
    overAt: (point) => valueOf("above", point),

    /** Writes what the values at the pointer are; without a place, nothing. */
    probe(point) {
      const [value, above] = point
        ? [valueOf("values", point), valueOf("above", point)]
        : [undefined, undefined];
      write(
        probe,
        [
          value === undefined ? "" : `${measure(value, 0)} ${world.unit}`.trim(),
          above === undefined ? "" : shown.over.uptake.text(above),
        ]
          .filter(Boolean)
          .join("\n"),
      );
    },
  };
}
