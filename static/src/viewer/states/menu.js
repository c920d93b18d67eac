/** The menu of presentation states: those about the picture on the screen, and saving what is seen. */
import { make, write } from "../dom.js";
import { plural } from "../wording.js";
import { statesOf } from "./list.js";
import { saveState } from "./saving.js";

/**
 * @param {HTMLElement} root with the parts of `studies/_layers_menu.html`
 * @param {object} options
 * @param {() => object} options.active cell
 * @param {(words: string) => void} options.say
 * @param {() => Promise<void>} options.reload the study has another object
 * @returns {{fill: () => Promise<void>}}
 */
export function createStatesMenu(root, { active, say, reload }) {
  const list = root.querySelector("[data-part='states']");
  const form = root.querySelector("form[data-part='save-state']");
  const status = root.querySelector("[data-part='states-status']");
  let turn = 0;

  async function choose(cell, facts) {
    try {
      const refused = await cell.presenter.choose(cell.study, facts);
      if (refused) say(refused);
    } catch {
      say("The presentation state could not be loaded. Try again.");
    }
    if (root.matches(":popover-open")) fill();
  }

  function choice(cell, facts) {
    const uid = facts?.uid ?? "";
    const button = make(
      "button",
      {
        type: "button",
        className: "layer-choice",
        "aria-pressed": String(cell.presenter.uid === uid),
        disabled: facts ? !facts.mayApply : false,
      },
      make("span", { text: facts?.name ?? "As the file says", dir: "auto" }),
      make("span", {
        className: "menu-detail numbers",
        text: facts && !facts.mayApply ? "of a kind that cannot be applied" : (facts?.detail ?? ""),
      }),
    );
    button.addEventListener("click", () => choose(cell, facts));
    return button;
  }

  async function fill() {
    const mine = (turn += 1);
    const cell = active();
    if (form) form.hidden = !cell.shown || cell.study.isPrior;
    if (!cell.shown) {
      list.replaceChildren();
      write(status, "There is no picture in this viewport.");
      return;
    }
    const { frame } = cell.shown;
    const { states, failed } = await statesOf(cell.study);
    if (mine !== turn) return;
    const mineOnly = states.filter(({ isAbout }) => isAbout(frame));
    const focused = list.contains(document.activeElement);
    list.replaceChildren(
      ...(mineOnly.length ? [undefined, ...mineOnly].map((facts) => choice(cell, facts)) : []),
    );
    // Just opened: the name is not what people come for.
    const isFresh = document.activeElement === form?.elements.name && !form.elements.name.value;
    if (focused || isFresh)
      (list.querySelector("[aria-pressed=true]") ?? list.firstElementChild)?.focus();
    const words = mineOnly.length ? "" : "None about this image.";
    write(
      status,
      failed ? `${words} ${plural(failed, "series")} could not be read.`.trim() : words,
    );
  }

  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const cell = active();
    if (!cell.shown) return;
    const button = form.querySelector("button");
    const data = new FormData(form);
    button.disabled = true;
    write(status, "Saving");
    const { saved, words } = await saveState(cell, {
      name: data.get("name").trim(),
      wholeSeries: data.has("whole-series"),
    });
    button.disabled = false;
    if (saved) {
      form.reset();
      await reload();
      await fill();
    }
    write(status, words);
  });

  return { fill };
}
