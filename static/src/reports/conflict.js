/** Two versions of a draft side by side; the person decides, section by section. */
import { make } from "../viewer/dom.js";
import { clockOf } from "./autosave.js";
import { differences, merged } from "./merging.js";

/** Markup as nodes: parsed in a document that runs nothing, and the server has cleaned it. */
function shownText(section) {
  const box = make("div", { className: "conflict-text", dir: "auto", tabindex: "0" });
  const fields = (section?.fields ?? []).filter(({ value }) => value !== null && value !== "");
  for (const { label, key, value, unit } of fields) {
    box.append(make("p", { className: "muted", text: `${label || key}: ${value} ${unit ?? ""}` }));
  }
  const body = new DOMParser().parseFromString(section?.html ?? "", "text/html").body;
  const lines = [...body.querySelectorAll("p, li, td, th")]
    .filter((each) => !each.querySelector("p, li"))
    .map((each) => each.textContent);
  for (const line of lines) box.append(make("p", { text: line }));
  if (!box.childNodes.length) box.append(make("p", { className: "muted", text: "Nothing" }));
  return box;
}

/**
 * Asks what is to become of two versions. Resolves with the document to save, or undefined where the
 * person puts the decision off.
 *
 * @param {object} mine the document in this window
 * @param {{content: object, saved_at: string, saved_by: {name: string}}} theirs
 */
export function resolveConflict(mine, theirs) {
  const found = differences(mine, theirs.content);
  const who = `Saved by ${theirs.saved_by?.name ?? "somebody"} at ${clockOf(theirs.saved_at)}`;
  const form = make("form", { method: "dialog", className: "conflict-form" });
  form.append(
    make("h2", { id: "conflict-title", text: "Saved in two places" }),
    make("p", {
      text: "This report was saved in another window while you wrote here. Nothing is lost: choose for each section.",
    }),
  );
  for (const { key, title, mine: a, theirs: b } of found) {
    const name = `conflict-${key}`;
    const option = (value, label) =>
      make(
        "label",
        { className: "conflict-option" },
        make("input", { type: "radio", name, value, checked: value === "both" }),
        ` ${label}`,
      );
    form.append(
      make(
        "fieldset",
        { className: "conflict-section" },
        make("legend", { text: title }),
        make(
          "div",
          { className: "conflict-sides" },
          make("div", {}, make("h3", { text: "In this window" }), shownText(a)),
          make("div", {}, make("h3", { text: who }), shownText(b)),
        ),
        make(
          "div",
          { className: "conflict-options" },
          option("mine", "This window's"),
          option("theirs", "The saved one"),
          option("both", "Both, one after the other"),
        ),
      ),
    );
  }
  if (!found.length) {
    form.append(make("p", { text: "The texts are the same; only key images or fields differ." }));
  }
  form.append(
    make(
      "div",
      { className: "conflict-actions" },
      make("button", {
        className: "button button-primary",
        value: "keep",
        text: "Save this choice",
      }),
      make("button", { className: "button", value: "later", text: "Decide later" }),
    ),
  );
  const dialog = make(
    "dialog",
    { className: "conflict", "aria-labelledby": "conflict-title" },
    form,
  );
  return new Promise((resolve) => {
    dialog.addEventListener("keydown", (event) => event.stopPropagation());
    dialog.addEventListener("close", () => {
      const choices = Object.fromEntries(
        found.map(({ key }) => [key, new FormData(form).get(`conflict-${key}`) ?? "both"]),
      );
      dialog.remove();
      resolve(dialog.returnValue === "keep" ? merged(mine, theirs.content, choices) : undefined);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
