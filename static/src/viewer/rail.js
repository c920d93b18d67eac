import { make } from "./dom.js";
import { plural } from "./wording.js";

/** "3 · CT": what a series is called where it has no description. */
export function seriesLabel({ number, modality, description }) {
  const head = [number === null || number === undefined ? "" : `${number}`, modality || "?"];
  return [head.filter(Boolean).join(" · "), description].filter(Boolean).join(" ");
}

/**
 * The series of the study, as thumbnails. Arrow keys inside it, or Page Up and Page Down anywhere, change
 * the series.
 */
export function createRail(list, { onSelect, onDrag }) {
  const options = new Map();
  const viewed = new Set();
  let order = [];
  let current;

  function picture(series) {
    const frame = make("span", { className: "thumb-picture" });
    const say = (words) =>
      frame.replaceChildren(make("span", { className: "thumb-none", text: words }));
    if (!series.thumbnail) {
      say(series.modality || "No picture");
      return frame;
    }
    const image = make("img", { alt: "", loading: "lazy", decoding: "async" });
    image.addEventListener("error", () => say(series.modality || "No picture"));
    // After the listener: a picture from the cache may fail at once.
    image.src = series.thumbnail;
    frame.append(image);
    return frame;
  }

  function option(series) {
    const element = make(
      "li",
      {
        className: "thumb",
        role: "option",
        tabindex: "-1",
        "aria-selected": "false",
        draggable: "true",
        data: { seriesUid: series.uid },
      },
      picture(series),
      make(
        "span",
        { className: "thumb-head" },
        make("span", {
          className: "thumb-number",
          text: [series.number ?? "", series.modality].filter((part) => part !== "").join(" · "),
        }),
        make(
          "span",
          { className: "thumb-viewed", hidden: !viewed.has(series.uid) },
          make("span", { className: "icon icon-viewed", "aria-hidden": "true" }),
          make("span", { className: "unseen", text: "All images viewed" }),
        ),
        make("span", {
          className: "thumb-count",
          text: plural(series.count, series.pictures ? "image" : "object"),
        }),
      ),
      make("span", { className: "thumb-description", dir: "auto", text: series.description }),
    );
    element.title = seriesLabel(series);
    element.addEventListener("click", () => onSelect(series.uid));
    element.addEventListener("dragstart", (event) => onDrag(event, series.uid));
    return element;
  }

  function mark(uid) {
    current = uid;
    for (const [key, element] of options) {
      const selected = key === uid;
      element.setAttribute("aria-selected", String(selected));
      element.tabIndex = selected ? 0 : -1;
      if (selected) element.scrollIntoView({ block: "nearest" });
    }
    // Where a prior is in use none of these is chosen; the list stays within reach of Tab.
    if (!options.has(uid) && order.length) options.get(order[0]).tabIndex = 0;
  }

  list.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    const at = order.indexOf(current);
    let target = at + (steps[event.key] ?? 0);
    if (event.key === "Home") target = 0;
    else if (event.key === "End") target = order.length - 1;
    else if (!steps[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    const uid = order[Math.min(order.length - 1, Math.max(0, target))];
    if (uid !== undefined && uid !== current) onSelect(uid);
    options.get(current)?.focus();
  });

  return {
    /** Shows these series; those already there stay where they are. */
    fill(series) {
      order = series.map(({ uid }) => uid);
      const elements = series.map((entry) => {
        const element = option(entry);
        options.set(entry.uid, element);
        return element;
      });
      list.replaceChildren(...elements);
      if (current) mark(current);
      else if (elements.length) elements[0].tabIndex = 0;
    },
    mark,
    /** All images of the series were on the screen. */
    setViewed(uid) {
      if (viewed.has(uid)) return;
      viewed.add(uid);
      options.get(uid)?.querySelector(".thumb-viewed")?.removeAttribute("hidden");
    },
    /** More images came to these series. */
    forgetViewed(uids) {
      for (const uid of uids) viewed.delete(uid);
    },
    /** Which series are in any viewport. */
    setShown(uids) {
      for (const [uid, element] of options) element.classList.toggle("is-shown", uids.has(uid));
    },
    /** The series `step` places away from the current one, undefined beyond the ends. */
    neighbour: (step) => order[order.indexOf(current) + step],
  };
}
