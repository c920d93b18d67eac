/** One plane of a volume on the screen: picture, lines of the other planes, letters, scale. */
import { make, svg, write } from "../dom.js";
import { lettersOf } from "../orientation.js";
import { cross, dot, plus, scaled, unit } from "../vectors.js";
import { depthOf } from "./geometry.js";
import { paint, picture } from "./resample.js";

const NEAR = 9;
const HANDLE = 0.36;

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
    ...Object.values(edges),
  );
  canvas.setAttribute("aria-label", `${name} plane`);

  /** Millimetres to a CSS pixel; undefined until the view has a size. */
  let mm;
  /** What the reader moved the picture by, along right and down, in mm. */
  let moved = [0, 0];
  let shown;

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

  function drawLines() {
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
    lines.replaceChildren(...parts, ...knobs, scale, words);
  }

  function drawWords() {
    const { right, down } = ways();
    write(edges.right, lettersOf(right));
    write(edges.left, lettersOf(scaled(right, -1)));
    write(edges.bottom, lettersOf(down));
    write(edges.top, lettersOf(scaled(down, -1)));
    const { slab } = world;
    const slabs = { average: "average", mip: "MIP", minip: "MinIP" };
    write(
      title,
      `${name[0].toUpperCase()}${name.slice(1)}${slab.mm > 0 ? `, ${slab.mm} mm ${slabs[slab.how]}` : ""}`,
    );
    const { lower, upper } = world.range;
    write(
      facts,
      `W ${Math.round(upper - lower)}  L ${Math.round((upper + lower) / 2)}\nZoom ${Math.round((world.finest / mm) * 100)} %`,
    );
  }

  return {
    name,
    root,
    fit,
    toPlace,
    toScreen,

    /** @param {number} coarse size of a picture's pixel in CSS pixels */
    draw(coarse = 1) {
      if (!mm) fit();
      if (!mm) return;
      const width = Math.max(1, Math.round(root.clientWidth / coarse));
      const height = Math.max(1, Math.round(root.clientHeight / coarse));
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
        shown = undefined;
      }
      const pen = canvas.getContext("2d", { willReadFrequently: true });
      const step = (mm * root.clientWidth) / width;
      shown = picture(
        world.volume,
        { centre: centre(), ...ways(), mm: step, width, height },
        world.slab,
        shown?.length === width * height ? shown : undefined,
      );
      const image = pen.createImageData(width, height);
      paint(shown, world.range, world.isInverted, image.data);
      pen.putImageData(image, 0, 0);
      drawLines();
      drawWords();
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
      const column = Math.floor((x / root.clientWidth) * canvas.width);
      const row = Math.floor((y / root.clientHeight) * canvas.height);
      const value = shown?.[row * canvas.width + column];
      return value === undefined || Number.isNaN(value) ? undefined : value;
    },
  };
}
