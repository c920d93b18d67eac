/** The dialog that offers the layouts: by mouse, by arrows and Enter, or by two digits. */
import { make } from "./dom.js";
import { layoutName, most } from "./grid.js";

const steps = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

/**
 * @param {HTMLDialogElement} dialog
 * @param {object} options
 * @param {() => {rows: number, columns: number}} options.current
 * @param {(layout: {rows: number, columns: number}) => void} options.onChosen
 */
export function createLayoutPicker(dialog, { current, onChosen }) {
  const board = dialog.querySelector("[data-part='layouts']");
  const buttons = [];
  let digits = "";

  function choose(layout) {
    dialog.close();
    onChosen(layout);
  }

  function mark({ rows, columns }) {
    for (const { button, layout } of buttons) {
      button.classList.toggle("is-within", layout.rows <= rows && layout.columns <= columns);
    }
  }

  for (let rows = 1; rows <= most; rows += 1) {
    for (let columns = 1; columns <= most; columns += 1) {
      const layout = { rows, columns };
      const label = `${rows} × ${columns}`;
      const button = make("button", {
        className: "layout-choice",
        type: "button",
        "aria-label": `${label}: ${rows * columns} viewports`,
        text: label,
        data: { layout: layoutName(layout) },
      });
      button.addEventListener("click", () => choose(layout));
      button.addEventListener("pointerenter", () => mark(layout));
      button.addEventListener("focus", () => mark(layout));
      buttons.push({ button, layout });
      board.append(button);
    }
  }

  const at = ({ rows, columns }) => buttons[(rows - 1) * most + columns - 1].button;

  dialog.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (step) {
      const { layout } = buttons.find(({ button }) => button === document.activeElement) ?? {
        layout: current(),
      };
      const [rows, columns] = [layout.rows + step[0], layout.columns + step[1]];
      if (rows >= 1 && rows <= most && columns >= 1 && columns <= most)
        at({ rows, columns }).focus();
      event.preventDefault();
    } else if (/^[1-4]$/.test(event.key)) {
      digits += event.key;
      event.preventDefault();
      // Outside of the dialog, which the second digit closes, digits are tools.
      event.stopPropagation();
      if (digits.length === 2) choose({ rows: Number(digits[0]), columns: Number(digits[1]) });
    }
  });

  return {
    open() {
      digits = "";
      dialog.showModal();
      for (const { button, layout } of buttons) {
        const isCurrent = layoutName(layout) === layoutName(current());
        button.setAttribute("aria-pressed", String(isCurrent));
      }
      at(current()).focus();
      mark(current());
    },
  };
}
