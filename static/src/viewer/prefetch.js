/**
 * Order in which the frames of a stack are fetched: the current one, its neighbours on both sides (those
 * ahead first), then the rest, outwards.
 *
 * @param {number} count frames of the stack
 * @param {number} current index
 * @param {number} [limit] how many may be kept at once
 */
export function fetchOrder(count, current, limit = count) {
  const order = [];
  if (count < 1) return order;
  order.push(current);
  for (let distance = 1; distance < count && order.length < limit; distance += 1) {
    if (current + distance < count) order.push(current + distance);
    if (current - distance >= 0 && order.length < limit) order.push(current - distance);
  }
  return order;
}

/**
 * Fetches in the background, a few at a time, nearest to where the reader is.
 *
 * @param {object} options
 * @param {(index: number) => Promise<unknown>} options.load
 * @param {(index: number, error: unknown) => void} options.onSettled error is undefined on success
 * @param {number} options.concurrency
 */
export function createPrefetcher({ load, onSettled, concurrency = 4 }) {
  let queue = [];
  let running = 0;
  let stopped = false;
  const started = new Set();

  function pump() {
    while (!stopped && running < concurrency && queue.length) {
      const index = queue.shift();
      if (started.has(index)) continue;
      started.add(index);
      running += 1;
      load(index)
        .then(
          () => onSettled(index, undefined),
          (error) => {
            started.delete(index);
            onSettled(index, error);
          },
        )
        .finally(() => {
          running -= 1;
          pump();
        });
    }
  }

  return {
    /** Puts what is nearest first; what is under way goes on. */
    aim(order) {
      queue = order.filter((index) => !started.has(index));
      pump();
    },
    /** Nothing new starts; what is under way is left to end. */
    stop() {
      stopped = true;
      queue = [];
    },
  };
}
