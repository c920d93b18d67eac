import { make } from "./dom.js";

/** What stands over the viewport when there is no picture to show: loading, failed, not displayable. */
export function createCover(element) {
  function clear() {
    element.hidden = true;
    element.replaceChildren();
    delete element.dataset.kind;
  }

  function say(kind, { title, lines = [], actions = [] }) {
    element.dataset.kind = kind;
    element.setAttribute("role", kind === "error" ? "alert" : "status");
    const buttons = actions.map(({ label, href, onPress }, rank) => {
      const className = rank === 0 ? "viewer-button viewer-button-primary" : "viewer-button";
      if (href) return make("a", { className, href, text: label });
      const button = make("button", { className, type: "button", text: label });
      button.addEventListener("click", onPress);
      return button;
    });
    element.replaceChildren(
      make(
        "div",
        { className: "cover-panel" },
        make("h2", { text: title }),
        ...lines.map((line) => make("p", { text: line })),
        buttons.length ? make("div", { className: "cover-actions" }, ...buttons) : null,
      ),
    );
    element.hidden = false;
  }

  return {
    clear,
    loading(words) {
      element.dataset.kind = "loading";
      element.setAttribute("role", "status");
      element.replaceChildren(
        make("div", { className: "skeleton", "aria-hidden": "true" }),
        make("p", { className: "cover-loading", text: words }),
      );
      element.hidden = false;
    },
    /** A thing that is no picture, said in words. */
    notPicture: (content) => say("note", content),
    error: (content) => say("error", content),
    get kind() {
      return element.hidden ? undefined : element.dataset.kind;
    },
  };
}
