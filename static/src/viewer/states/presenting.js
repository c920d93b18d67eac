/** A presentation state on the pictures of a viewport: fetched once, asked frame by frame. */
import { RequestError, answer, kindOfStatus } from "../dicomweb.js";
import { greyLook } from "./look.js";

const keyOf = (sop, frame) => `${sop} ${frame}`;

/** What the server says of a state. `refused` in words where it cannot be applied. RequestError. */
async function fetched(url) {
  const response = await answer(url, "application/json");
  if (response.status === 422) return { refused: (await response.json()).detail };
  if (!response.ok) throw new RequestError(kindOfStatus(response.status), response.status);
  if (response.redirected) throw new RequestError("session", 401);
  return response.json();
}

/**
 * What a state says of each frame. Pure.
 *
 * @param {{views: object[], left_out: string[]}} described by the server
 * @returns {(frame: object) => object | undefined} with `key`, the same for frames that look the same;
 *   `curve`, `inverted`; `rotation`, `is_flipped`, `area`; `shutter`, `graphics`, `texts`; `why`
 */
export function presentation({ views, left_out: leftOut }) {
  const byFrame = new Map();
  for (const [key, view] of views.entries()) {
    for (const [sop, frame] of view.images) byFrame.set(keyOf(sop, frame), { key, view });
  }
  const looks = new Map();
  return (frame) => {
    const key = keyOf(frame.sopInstanceUID, frame.frame);
    const found = byFrame.get(key);
    if (!found) return undefined;
    if (!looks.has(key)) {
      const { why, ...look } = greyLook(found.view.grey, frame);
      const notes = [why, leftOut.length ? `Not shown: ${leftOut.join(", ")}.` : ""];
      looks.set(key, {
        ...found.view,
        ...look,
        key: found.key,
        why: notes.filter(Boolean).join(" "),
      });
    }
    return looks.get(key);
  };
}

/** @returns {Promise<{of?: (frame: object) => object | undefined, refused?: string}>} */
export async function loadState(url) {
  const described = await fetched(url);
  return described.refused ? described : { of: presentation(described) };
}
