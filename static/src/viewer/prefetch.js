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

/** How many of the first of an order are neighbours of what is on the screen. */
const neighbours = 8;

/**
 * What all stacks of a page may fetch at once. Neighbours of what is on the screen come first, those of the
 * viewport in use before others; stacks of the same rank take turns.
 *
 * @param {number} concurrency
 */
export function createShare(concurrency) {
  const members = new Set();
  let running = 0;
  let held = 0;

  function next() {
    let found;
    for (const member of members) {
      const rank = member.rank();
      if (rank !== undefined && (!found || rank < found.rank)) found = { member, rank };
    }
    if (found) {
      // To the end of the row of those of its rank.
      members.delete(found.member);
      members.add(found.member);
    }
    return found?.member;
  }

  function pump() {
    while (!held && running < concurrency) {
      const member = next();
      if (!member) return;
      running += 1;
      member.take().finally(() => {
        running -= 1;
        pump();
      });
    }
  }

  return {
    pump,
    add: (member) => members.add(member),
    remove: (member) => members.delete(member),
    /** Nothing new starts until what is given back is called: what is on the screen comes first. */
    hold() {
      held += 1;
      let mine = 1;
      return () => {
        held -= mine;
        mine = 0;
        pump();
      };
    },
  };
}

/**
 * Fetches in the background, a few at a time, nearest to where the reader is.
 *
 * @param {object} options
 * @param {(index: number) => Promise<unknown>} options.load
 * @param {(index: number, error: unknown) => void} options.onSettled error is undefined on success
 * @param {object} options.share
 * @param {() => boolean} [options.isUrgent] whether the reader works with this stack
 */
export function createPrefetcher({ load, onSettled, share, isUrgent = () => true }) {
  let queue = [];
  const started = new Set();

  function rank() {
    if (!queue.length) return undefined;
    return (queue[0].place < neighbours ? 0 : 2) + (isUrgent() ? 0 : 1);
  }

  function take() {
    const { index } = queue.shift();
    started.add(index);
    return load(index).then(
      () => onSettled(index, undefined),
      (error) => {
        started.delete(index);
        onSettled(index, error);
      },
    );
  }

  const member = { rank, take };
  share.add(member);

  return {
    /** Puts what is nearest first, without what `isDone`; what is under way goes on. */
    aim(order, isDone = () => false) {
      queue = order
        .map((index, place) => ({ index, place }))
        .filter(({ index }) => !started.has(index) && !isDone(index));
      share.pump();
    },
    /** Nothing new starts; what is under way is left to end. */
    stop() {
      queue = [];
      share.remove(member);
    },
  };
}
