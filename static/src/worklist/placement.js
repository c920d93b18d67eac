/** Where a row belongs that was not on the page: `top`, `end`, `inside`, `before` or `after` it. */

/** Compares two values of a sort as the database does; nothing comes first. */
function compareValues(left, right) {
  if (left === right) return 0;
  if (left === null || left === undefined) return -1;
  if (right === null || right === undefined) return 1;
  return left < right ? -1 : 1;
}

/** Below zero where the row with key `left` comes first. */
export function compareKeys(left, right, descending = false) {
  for (let part = 0; part < Math.max(left.length, right.length); part += 1) {
    const order = compareValues(left[part], right[part]);
    if (order) return descending ? -order : order;
  }
  return 0;
}

/**
 * @param {Array} key of the new row
 * @param {{keys: Array[], page: number, hasNext: boolean, descending: boolean, size?: number}} list
 *   the page as shown: the keys of its rows in order
 */
export function placeOf(key, { keys, page, hasNext, descending, size = 50 }) {
  if (!keys.length) return page === 1 ? "top" : "before";
  const full = hasNext || keys.length >= size;
  if (compareKeys(key, keys[0], descending) < 0) return page === 1 ? "top" : "before";
  if (compareKeys(key, keys.at(-1), descending) > 0) return full ? "after" : "end";
  return "inside";
}

/**
 * What to do with it. A row slides in where nothing that a person may point at moves: at the top
 * while the pointer is elsewhere, at the end of a page that has room in view. Else the strip.
 *
 * @returns {"insert-top" | "insert-end" | "strip"}
 */
export function decide(place, { pointerInside, topInView, endInView }) {
  if (place === "top" && topInView && !pointerInside) return "insert-top";
  if (place === "end" && endInView) return "insert-end";
  return "strip";
}

/**
 * The order of the strip of arrivals: STAT before the others, then the newest first, so that a rush of
 * routine studies never pushes a STAT out of sight.
 *
 * @param {{stat: boolean, received: number}} left
 * @param {{stat: boolean, received: number}} right
 */
export function stripOrder(left, right) {
  return Number(right.stat) - Number(left.stat) || right.received - left.received;
}
