/** The menu of hanging protocols: which one is used, others to choose, and keeping what is on the screen. */
import { ask, wordsOf } from "../reports/api.js";
import { make, write } from "./dom.js";
import { layoutName } from "./grid.js";
import { rulesFrom } from "./hanging.js";
import { rangeWindow } from "./voi.js";

const whose = { own: "Yours", site: "Of your site", builtin: "Built in" };

/** What the cell shows, for rules that would show it again. */
function facts(cell, rankOf) {
  const series = cell.series();
  if (!series || !cell.shown) return {};
  const { frame, range, shape, byReader, color } = cell.shown;
  const { center, width } = rangeWindow(range, shape);
  const rounded = (value) => Math.round(value * 100) / 100;
  return {
    series,
    frame,
    priorRank: rankOf(cell.study),
    window:
      byReader && !color && shape === "LINEAR"
        ? { center: rounded(center), width: rounded(width) }
        : undefined,
  };
}

/**
 * @param {HTMLDialogElement} dialog
 * @param {object} options
 * @param {object[]} options.protocols `key`, `name`, `whose`, `rules`, in their order
 * @param {string} options.saveURL
 * @param {number} options.site of the study
 * @param {() => object} options.facts of the study, as `fits` takes them
 * @param {object} options.grid
 * @param {object} options.sync
 * @param {(study: object) => number} options.rankOf 0 for the page's own, else which prior it is
 * @param {(protocol: object | undefined) => void} options.use undefined for one viewport
 */
export function createHangingMenu(dialog, options) {
  const { protocols, saveURL, site, grid, sync, rankOf, use } = options;
  const list = dialog.querySelector("[data-part='protocols']");
  const form = dialog.querySelector("form[data-part='save']");
  const answer = dialog.querySelector("[data-part='answer']");
  let used;

  function choose(protocol) {
    dialog.close();
    use(protocol);
  }

  function fill() {
    const rows = [{ name: "One viewport", whose: "" }, ...protocols].map((protocol) => {
      const button = make(
        "button",
        {
          className: "protocol-choice",
          type: "button",
          "aria-pressed": String((protocol.key ?? "") === (used?.key ?? "")),
        },
        make("span", { text: protocol.name, dir: "auto" }),
        make("span", {
          className: "muted",
          text: [whose[protocol.whose], protocol.rules?.layout].filter(Boolean).join(" · "),
        }),
      );
      button.addEventListener("click", () => choose(protocol.rules ? protocol : undefined));
      return make("li", {}, button);
    });
    list.replaceChildren(...rows);
  }

  function matchOf(data) {
    const { series } = options.facts();
    const shown = grid
      .cells()
      .flatMap((cell) => (cell.shown && !cell.study.isPrior ? cell.series() : []));
    const parts = [...new Set(series.map(({ bodyPart }) => bodyPart).filter(Boolean))];
    const words = data
      .get("description")
      .split(",")
      .map((each) => each.trim())
      .filter(Boolean);
    return {
      modality: [...new Set((shown.length ? shown : series).map(({ modality }) => modality))],
      ...(data.has("body-part") && parts.length ? { bodyPart: parts } : {}),
      ...(words.length ? { description: words } : {}),
      ...(grid.cells().some(({ study }) => study?.isPrior)
        ? { priors: Math.max(...grid.cells().map(({ study }) => (study ? rankOf(study) : 0))) }
        : {}),
    };
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = new FormData(form);
    const link = Object.entries(sync.state()).flatMap(([kind, on]) => (on ? kind : []));
    const rules = rulesFrom({
      layout: layoutName(grid.layout),
      cells: grid.cells().map((cell) => facts(cell, rankOf)),
      link,
      match: matchOf(data),
    });
    const body = { name: data.get("name"), site: data.has("site") ? site : null, rules };
    const found = await ask("POST", saveURL, body);
    answer.classList.toggle("is-wrong", found.kind !== "ok");
    if (found.kind === "ok") {
      const { protocol } = found.data;
      const at = protocols.findIndex(({ key }) => key === protocol.key);
      if (at >= 0) protocols[at] = protocol;
      else protocols.unshift(protocol);
      used = protocol;
      fill();
      write(answer, `Kept as “${protocol.name}”.`);
    } else if (found.kind === "offline") {
      write(answer, "The portal cannot be reached. Nothing was kept.");
    } else {
      write(answer, wordsOf(found.data, "It could not be kept."));
    }
  });

  return {
    open() {
      fill();
      write(answer, "");
      dialog.showModal();
      (list.querySelector("[aria-pressed=true]") ?? list.querySelector("button")).focus();
    },
    setUsed(protocol) {
      used = protocol;
    },
  };
}
