/** The tool bar's menus: measuring tools with the last on the face, windows, turning. */
import { make, write } from "./dom.js";
import { kinds } from "./measure/kinds.js";
import { keysOf } from "./mine.js";
import { createOwnWindows } from "./own-windows.js";
import { watchPopup } from "./popups.js";
import { middleRange, windowsOfFile, windowsOfModality } from "./presets.js";
import { displayedPadding, windowRange } from "./voi.js";
import { windowText } from "./wording.js";

const byId = (id) => document.getElementById(id);
const menuButton = (id) => document.querySelector(`[data-menu="${id}"]`);

/** @param {{stack: () => object | undefined, windowsURL: string}} world */
export function createToolbar({ stack, windowsURL }) {
  const face = byId("measure");

  const shownFrame = () => {
    const found = stack();
    return found && found.shownIndex >= 0 ? found.frameAt(found.shownIndex) : undefined;
  };

  const menuOfWindows = document.getElementById("window-menu");
  const own = createOwnWindows(windowsURL, {
    frame: shownFrame,
    range: () => stack().range(),
    refill() {
      if (!menuOfWindows.matches(":popover-open")) return;
      fillWindows(menuOfWindows);
      menuOfWindows.querySelector("button")?.focus();
    },
  });

  /** What can be chosen for the picture that is shown: name, how it is shown, what it does. */
  function choices() {
    const frame = shownFrame();
    if (!frame || frame.samplesPerPixel > 1 || frame.photometric === "PALETTE COLOR") return [];
    const set = (window) => () =>
      stack().setWindow(windowRange({ shape: frame.window?.shape, ...window }));
    const row = (action) => (each, at) => ({
      name: each.name,
      detail: windowText(each.window),
      action: action(at),
      choose: set(each.window),
      own: each.id === undefined ? undefined : each,
    });
    const middle = () =>
      stack().setWindow(middleRange(stack().look().values, displayedPadding(frame)));
    return [
      ...windowsOfFile(frame).map(row((at) => (at ? "" : "preset:0"))),
      ...windowsOfModality(frame).map(row((at) => `preset:${at + 1}`)),
      { name: "Without extremes", detail: "1 to 99 % of the pixels", action: "", choose: middle },
      ...own.fitting().map(row((at) => `own-window:${at}`)),
    ];
  }

  function fillWindows(menu) {
    const rows = choices().map(({ name, detail, action, choose, own: mine }) => {
      const [key] = keysOf(action);
      const button = make(
        "button",
        { type: "button" },
        make("span", { text: name }),
        make("span", { className: "menu-detail numbers", text: detail }),
        key ? make("kbd", { text: key }) : null,
      );
      button.addEventListener("click", choose);
      return mine ? own.row(button, mine) : button;
    });
    menu.replaceChildren(
      ...(rows.length
        ? [...rows, own.form()]
        : [make("p", { text: "A colour image has no window." })]),
    );
  }

  watchPopup(menuButton("measuring-menu"));
  watchPopup(menuButton("window-menu"), fillWindows);
  watchPopup(menuButton("turning-menu"), (menu) => {
    const isSmooth = stack()?.turning.isSmooth !== false;
    menu.querySelector('[data-action="smooth"]').setAttribute("aria-pressed", String(!isSmooth));
  });
  watchPopup(menuButton("measurements"));

  return {
    /** The measuring tool that was chosen last stands on the face. */
    show(mode) {
      if (!kinds[mode]) return;
      const item = document.querySelector(`#measuring-menu [data-mode="${mode}"]`);
      const key = item.querySelector("kbd")?.textContent ?? "";
      face.dataset.mode = mode;
      face.querySelector(".icon").className = `icon icon-${mode}`;
      write(face.querySelector("[data-face]"), kinds[mode].name);
      write(face.querySelector("kbd"), key);
      face.querySelector("kbd").hidden = !key;
      face.setAttribute("aria-pressed", "true");
      if (key) face.setAttribute("aria-keyshortcuts", key);
      else face.removeAttribute("aria-keyshortcuts");
    },
    /** The window of a function key: 0 is the file's first, then those of the modality. */
    preset(number) {
      choices()
        .find(({ action }) => action === `preset:${number}`)
        ?.choose();
    },
    /** One of the reader's own windows that fit the picture. */
    ownWindow(number) {
      choices()
        .find(({ action }) => action === `own-window:${number}`)
        ?.choose();
    },
    /** Shows a switch as on or off. */
    press(action, isOn) {
      document
        .querySelector(`#turning-menu [data-action="${action}"]`)
        .setAttribute("aria-pressed", String(isOn));
    },
  };
}
