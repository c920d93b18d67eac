/** A PET over the planes of another series: by places in mm, in colours, with its own window. */
import { make, write } from "../dom.js";
import { colourMaps } from "./colours.js";
import { NoVolume } from "./geometry.js";
import { uptakeOf } from "./uptake.js";
import { createVolume } from "./volume.js";

const OTHER_PLACE =
  "It was taken in another frame of reference: nothing says where it lies on these images.";
const DRAW_EVERY = 400;

/**
 * @param {object} world of the views; `over` is what is laid over, undefined for nothing
 * @param {object} options
 * @param {{label: string, entries: () => Promise<object[]>}[]} options.choices
 * @param {(imageId: string) => Promise<ArrayLike<number>>} options.load
 * @param {() => void} options.draw asks for pictures anew
 * @param {() => void} options.repaint shows the pictures that are there anew
 * @param {(isBeside: boolean) => void} options.onBeside
 */
export function createFusion(world, { choices, load, draw, repaint, onBeside }) {
  let turn = 0;
  let drawn = 0;

  const choice = make(
    "select",
    { className: "field", "aria-label": "PET over the planes" },
    make("option", { value: "", text: "Nothing" }),
    ...choices.map(({ label }, at) => make("option", { value: String(at), text: label })),
  );
  const opacity = make("input", {
    type: "range",
    min: "0",
    max: "100",
    step: "5",
    value: "50",
    "aria-label": "Opacity of the PET in percent",
  });
  const opacityText = make("output", { className: "numbers", text: "50 %" });
  const map = make(
    "select",
    { className: "field", "aria-label": "Colours of the PET" },
    ...Object.entries(colourMaps).map(([value, { name }]) => make("option", { value, text: name })),
  );
  const [from, to] = ["lowest", "highest"].map((end) =>
    make("input", {
      className: "field numbers",
      type: "number",
      min: "0",
      step: "any",
      "aria-label": `Window of the PET, ${end} value`,
    }),
  );
  const unit = make("span", { text: "SUV" });
  const beside = make(
    "button",
    { className: "viewer-button", type: "button", "aria-pressed": "false" },
    "PET beside ",
    make("kbd", { text: "B" }),
  );
  const status = make("p", { className: "volume-status", role: "status" });
  const controls = make(
    "div",
    { className: "volume-fusion", hidden: true },
    make("label", { className: "volume-slab" }, "Opacity ", opacity, opacityText),
    make("label", { className: "volume-slab" }, "Colours ", map),
    make(
      "div",
      { className: "volume-slab", role: "group", "aria-label": "Window of the PET" },
      unit,
      make("span", { className: "volume-ends" }, from, " to ", to),
    ),
    beside,
  );
  const root = make(
    "div",
    { className: "volume-fusion" },
    make("label", { className: "volume-slab" }, "PET ", choice),
    status,
    controls,
  );

  const over = () => world.over;

  function showRange() {
    const { uptake, range } = over();
    from.value = String(Number((range.lower * uptake.factor).toPrecision(4)));
    to.value = String(Number((range.upper * uptake.factor).toPrecision(4)));
    write(unit, uptake.unit);
  }

  function setRange() {
    if (!over()) return;
    const [lower, upper] = [from, to].map((field) => Number(field.value));
    const isRight = from.value !== "" && to.value !== "" && upper > lower;
    for (const field of [from, to]) field.setAttribute("aria-invalid", String(!isRight));
    if (!isRight) return;
    const { factor } = over().uptake;
    over().range = { lower: lower / factor, upper: upper / factor };
    repaint();
  }

  function setBeside(now) {
    beside.setAttribute("aria-pressed", String(now));
    onBeside(now);
  }

  function take() {
    over()?.volume.close();
    world.over = undefined;
  }

  function tell(words, isWarning = false) {
    write(status, words);
    status.classList.toggle("is-warning", isWarning);
  }

  function refuse(words) {
    choice.value = "";
    controls.hidden = true;
    setBeside(false);
    tell(words, true);
    draw();
  }

  async function lay() {
    const mine = (turn += 1);
    take();
    tell("");
    const chosen = choices[Number(choice.value)];
    if (choice.value === "" || !chosen) {
      controls.hidden = true;
      setBeside(false);
      draw();
      return;
    }
    tell("Loading the PET");
    let volume;
    let uptake;
    try {
      const entries = await chosen.entries();
      if (mine !== turn) return;
      volume = createVolume(entries, load);
      uptake = uptakeOf(volume.grid.frames);
    } catch (error) {
      if (mine !== turn) return;
      if (!(error instanceof NoVolume)) console.warn(error);
      refuse(
        error instanceof NoVolume
          ? `Not laid over. ${error.message}`
          : "The PET could not be loaded. Choose it again.",
      );
      return;
    }
    const { frameOfReferenceUID } = volume.grid;
    if (!frameOfReferenceUID || frameOfReferenceUID !== world.volume.grid.frameOfReferenceUID) {
      volume.close();
      refuse(`Not laid over. ${OTHER_PLACE}`);
      return;
    }
    const { lower, upper } = uptake.range;
    world.over = {
      volume,
      uptake,
      label: chosen.label,
      range: { lower: lower / uptake.factor, upper: upper / uptake.factor },
      opacity: Number(opacity.value) / 100,
      colours: colourMaps[map.value].colours,
    };
    controls.hidden = false;
    showRange();
    draw();
    await volume.fill(() => {
      if (mine !== turn) return;
      tell(`PET not loaded completely: ${volume.loaded} of ${volume.grid.size[2]} slices`, true);
      if (performance.now() - drawn < DRAW_EVERY) return;
      drawn = performance.now();
      draw();
    });
    if (mine !== turn) return;
    if (!volume.hasRoom) {
      take();
      refuse("Not laid over. This browser has not the memory for it.");
      return;
    }
    const { why } = uptake;
    const part = volume.grid.every > 1 ? `${volume.grid.size[2]} of ${volume.grid.total}` : "";
    if (volume.isWhole)
      tell(
        [
          part ? `PET: ${part} slices are used.` : `PET: ${volume.loaded} slices, complete.`,
          why && `${why[0].toUpperCase()}${why.slice(1)}.`,
        ]
          .filter(Boolean)
          .join(" "),
        Boolean(why || part),
      );
    root.dataset.whole = String(volume.isWhole);
    draw();
  }

  choice.addEventListener("change", () => {
    delete root.dataset.whole;
    lay();
  });
  function setOpacity(percent) {
    const value = Math.max(0, Math.min(100, percent));
    opacity.value = String(value);
    write(opacityText, `${value} %`);
    if (!over()) return;
    over().opacity = value / 100;
    repaint();
  }
  opacity.addEventListener("input", () => setOpacity(Number(opacity.value)));
  map.addEventListener("change", () => {
    over().colours = colourMaps[map.value].colours;
    repaint();
  });
  for (const field of [from, to]) field.addEventListener("input", setRange);
  beside.addEventListener("click", () => toggleBeside());

  function toggleBeside() {
    if (over()) setBeside(beside.getAttribute("aria-pressed") !== "true");
  }

  return {
    root,
    toggleBeside,
    fade: (by) => setOpacity(Number(opacity.value) + by),
    close() {
      turn += 1;
      take();
    },
  };
}
