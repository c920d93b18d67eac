/** The menu of segmentations: what is shown over the pictures, and how strongly. */
import { make, write } from "../dom.js";
import { plural } from "../wording.js";

/**
 * @param {HTMLElement} root with the parts of `studies/_layers_menu.html`
 * @param {object} options
 * @param {() => object} options.active cell
 */
export function createSegmentsMenu(root, { active }) {
  const list = root.querySelector("[data-part='segmentations']");
  const status = root.querySelector("[data-part='segments-status']");
  const slider = root.querySelector("[data-part='opacity']");
  let turn = 0;

  slider.addEventListener("input", () => {
    active().study?.segments.setOpacity(Number(slider.value) / 100);
  });

  function swatch([red, green, blue]) {
    const element = make("span", { className: "segment-colour", "aria-hidden": "true" });
    element.style.setProperty("background-color", `rgb(${red} ${green} ${blue})`);
    return element;
  }

  function row(segments, segmentation, segment, others) {
    const box = make("input", {
      type: "checkbox",
      checked: segments.isChosen(segmentation, segment),
      data: { segment: segment.number },
    });
    box.addEventListener("change", () => {
      segments.choose(segmentation, [segment], box.checked);
      others();
    });
    return {
      box,
      element: make(
        "label",
        { className: "segment" },
        box,
        swatch(segment.colour),
        make("span", { text: segment.label, dir: "auto" }),
        make("span", { className: "menu-detail", text: segment.detail }),
      ),
    };
  }

  function group(segments, segmentation) {
    if (segmentation.why) {
      return make(
        "fieldset",
        { className: "segmentation" },
        make("legend", { text: segmentation.name, dir: "auto" }),
        make("p", { className: "layer-status", text: segmentation.why }),
      );
    }
    const all = make("input", { type: "checkbox" });
    const rows = segmentation.segments.map((segment) =>
      row(segments, segmentation, segment, () => mark()),
    );
    function mark() {
      const on = rows.filter(({ box }) => box.checked).length;
      all.checked = on === rows.length;
      all.indeterminate = on > 0 && on < rows.length;
    }
    all.addEventListener("change", () => {
      for (const { box } of rows) box.checked = all.checked;
      segments.choose(segmentation, segmentation.segments, all.checked);
    });
    mark();
    return make(
      "fieldset",
      { className: "segmentation" },
      make("legend", { text: segmentation.name, dir: "auto" }),
      rows.length > 1
        ? make("label", { className: "segment" }, all, make("span", { text: "All segments" }))
        : null,
      ...rows.map(({ element }) => element),
    );
  }

  return {
    async fill() {
      const mine = (turn += 1);
      const { study } = active();
      if (!study) {
        list.replaceChildren();
        write(status, "There is no picture in this viewport.");
        slider.parentElement.hidden = true;
        return;
      }
      const { segmentations, failed } = await study.segments.list();
      if (mine !== turn) return;
      list.replaceChildren(...segmentations.map((each) => group(study.segments, each)));
      slider.value = String(Math.round(100 * study.segments.opacity));
      slider.parentElement.hidden = !segmentations.some(({ why }) => !why);
      const words = segmentations.length || failed ? "" : "None in this study.";
      write(status, failed ? `${plural(failed, "series", "series")} could not be read.` : words);
    },
  };
}
