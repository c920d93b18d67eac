/** From a document to the picture that it refers to. */
import { indexAt } from "./places.js";

/**
 * Shows the picture beside the document where there is another viewport, else in its place.
 *
 * @param {object} options
 * @param {object} options.grid the viewports
 * @param {(words: string) => void} options.say
 */
export function createJump({ grid, say }) {
  return async function jump(from, study, place) {
    const others = grid.visible().filter((cell) => cell !== from);
    const target =
      others.find((cell) => cell.study === study && cell.uid === place.series) ??
      others.find((cell) => !cell.isDocument) ??
      from;
    grid.activate(target);
    let isThere = true;
    const placeIn = (frames) => {
      const at = indexAt(frames, place);
      isThere = at >= 0;
      return Math.max(0, at);
    };
    if (target.study === study && target.uid === place.series && target.shown) {
      const at = placeIn(target.stack.frames());
      if (isThere) target.moveTo(() => at);
    } else {
      await target.open(study, place.series, { placeIn });
    }
    if (!isThere) say("The image that is referred to is not in this series any more.");
  };
}
