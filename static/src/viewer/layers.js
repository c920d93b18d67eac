/** The menu of what lies over the pictures: presentation states and segmentations. */
import { watchPopup } from "./popups.js";
import { createSegmentsMenu } from "./segments/menu.js";
import { createStatesMenu } from "./states/menu.js";

/**
 * @param {HTMLElement} button with `data-menu`
 * @param {object} options
 * @param {() => object} options.active cell
 * @param {(words: string) => void} options.say
 * @param {() => Promise<void>} options.reload brings the series of the study up to date
 */
export function watchLayers(button, options) {
  const root = document.getElementById(button.dataset.menu);
  const states = createStatesMenu(root, options);
  const segments = createSegmentsMenu(root, options);
  watchPopup(button, () => {
    states.fill();
    segments.fill();
  });
}
