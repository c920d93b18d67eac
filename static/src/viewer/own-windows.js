/** Windows that the reader keeps: which fit a picture, and the rows of the menu that keep and remove them. */
import { ask, wordsOf } from "../reports/api.js";
import { make, write } from "./dom.js";
import { suvFactor } from "./measure/suv.js";
import { ownWindows, tell, use } from "./mine.js";
import { rangeWindow } from "./voi.js";

/**
 * What the numbers of a window mean in this picture: Hounsfield units, SUV (with how many a displayed value
 * is), or whatever the modality's values are.
 */
export function unitOf({ modality, dataset, rescaleType = "" }) {
  if (modality === "CT" && ["", "HU"].includes(rescaleType)) return { unit: "HU", factor: 1 };
  if (modality === "PT") {
    const { factor } = suvFactor(dataset);
    if (factor) return { unit: "SUV", factor };
  }
  return { unit: "", factor: 1 };
}

const shapeOf = (unit) => (unit === "SUV" ? "LINEAR_EXACT" : "LINEAR");

/** Of the reader's windows, those that mean something in this picture, in its values. */
export function fitting(frame, windows) {
  const { unit, factor } = unitOf(frame);
  return windows
    .filter((each) => each.modality === frame.modality && each.unit === unit)
    .map(({ id, name, center, width }) => ({
      id,
      name,
      window: { center: center / factor, width: width / factor, shape: shapeOf(unit) },
    }));
}

/** A range of values on the screen as a window to keep. */
export function kept(frame, range) {
  const { unit, factor } = unitOf(frame);
  const { center, width } = rangeWindow(range, shapeOf(unit));
  return { modality: frame.modality, unit, center: center * factor, width: width * factor };
}

/**
 * @param {string} url
 * @param {object} options
 * @param {() => object | undefined} options.frame that is shown
 * @param {() => {lower: number, upper: number}} options.range
 * @param {() => void} options.refill the menu, whose rows have changed
 */
export function createOwnWindows(url, { frame, range, refill }) {
  let words = "";

  function settle({ kind, data }, otherwise) {
    if (kind === "ok") {
      use({ windows: data.windows });
      tell({ windows: data.windows });
    } else {
      words =
        kind === "offline"
          ? `The portal cannot be reached. ${otherwise}`
          : wordsOf(data, otherwise);
    }
    refill();
    words = "";
  }

  function removing(id, name) {
    const button = make(
      "button",
      { type: "button", className: "own-window-remove", "aria-label": `Remove ${name}` },
      make("span", { className: "icon icon-close", "aria-hidden": "true" }),
    );
    button.addEventListener("click", async (event) => {
      event.stopPropagation();
      settle(await ask("DELETE", `${url}${id}/`), "It was not removed.");
    });
    return button;
  }

  return {
    fitting: () => (frame() ? fitting(frame(), ownWindows()) : []),
    /** A window of the reader in the menu: the row that chooses it, and the button that removes it. */
    row: (choosing, { id, name }) =>
      make("div", { className: "own-window" }, choosing, removing(id, name)),
    /** The form that keeps the window on the screen. */
    form() {
      const name = make("input", {
        className: "viewer-input",
        "aria-label": "Name of the window",
        placeholder: "Name for this window",
        maxlength: "40",
        autocomplete: "off",
      });
      const answer = make("p", { className: "own-window-answer", role: "alert" });
      const form = make(
        "form",
        { className: "own-window-keep" },
        name,
        make("button", { type: "submit", className: "viewer-button", text: "Keep" }),
        answer,
      );
      write(answer, words);
      form.addEventListener("click", (event) => event.stopPropagation());
      form.addEventListener("submit", async (event) => {
        event.preventDefault();
        if (!name.value.trim()) {
          write(answer, "Give it a name.");
          name.focus();
          return;
        }
        const body = { ...kept(frame(), range()), name: name.value };
        settle(await ask("POST", url, body), "It was not kept.");
      });
      return form;
    },
  };
}
