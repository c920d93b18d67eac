/** The presentation state of a viewport: chosen, drawn, said. */
import { make, write } from "../dom.js";
import { createStateLayer } from "./layer.js";

/**
 * @param {HTMLElement} root of the cell
 * @param {HTMLElement} element of its viewport
 * @param {() => object | undefined} stack
 */
export function createPresenter(root, element, stack) {
  const layer = createStateLayer(element);
  const badge = make("span", { className: "badge", hidden: true, data: { part: "state" } });
  root.querySelector(".badges").prepend(badge);
  let chosen;
  let turn = 0;

  return {
    /** The UID of the state, "" for none. */
    get uid() {
      return chosen?.uid ?? "";
    },

    /**
     * Shows the pictures with a state of their study; without one, as their files say.
     *
     * @returns {Promise<string>} why it cannot be applied, "" where it is. RequestError.
     */
    async choose(study, facts) {
      const mine = (turn += 1);
      const found = facts && (await study.stateOf(facts.uid));
      if (mine !== turn) return "";
      if (found?.refused) return found.refused;
      chosen = facts;
      stack()?.present(found?.of);
      return "";
    },

    /** Another series comes: nothing of the state stays. */
    forget() {
      turn += 1;
      if (chosen) stack()?.present();
      chosen = undefined;
      this.hidden();
    },

    shown(shown) {
      badge.hidden = !chosen;
      if (chosen) {
        const { state } = shown;
        const why = state ? state.why : "It says nothing of this image.";
        badge.classList.toggle("badge-warn", Boolean(why));
        write(badge, `Presentation state: ${chosen.name}${why ? `. ${why}` : ""}`);
        badge.title = badge.textContent;
      }
      layer.draw(shown, (pixel) => stack().toCanvas(pixel));
    },

    hidden() {
      badge.hidden = true;
      layer.clear();
    },
  };
}
