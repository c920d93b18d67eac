/** Undo and redo of what was measured, changed and removed, over a store of annotations. */

const most = 100;
const lasting = ["tool", "points", "values", "label", "at_detector", "calibration"];
const place = ["series_instance_uid", "sop_instance_uid", "frame"];
const facts = ["series_number", "instance_number", "frames"];
const some = (entry, names) =>
  Object.fromEntries(names.filter((name) => name in entry).map((name) => [name, entry[name]]));

/** What the server keeps of a measurement, and what a list shows of it until it has. */
export const bodyOf = (entry) => some(entry, [...place, ...lasting]);
export const factsOf = (entry) => some(entry, facts);

/**
 * The same store, remembering. Ids stay: what is brought back is the same row.
 *
 * @param {object} store
 * @param {(words: string) => void} [say]
 */
export function withHistory(store, say = () => {}) {
  const done = [];
  const undone = [];
  const find = (id) => store.measurements().find((entry) => entry.id === id);

  function remember(step, answer) {
    done.push(step);
    if (done.length > most) done.shift();
    undone.length = 0;
    answer.then((found) => {
      // What the server refused has not happened.
      const refused = found && !["ok", "gone", "offline", "session", "error"].includes(found.kind);
      if (refused && done.includes(step)) done.splice(done.indexOf(step), 1);
    });
  }

  /** Makes the measurement `id` be as `entry`; undefined is gone. */
  function settle(id, entry) {
    if (!entry) return store.removeMeasurement(id);
    return store.saveMeasurement(id, { ...bodyOf(entry), restore: true }, factsOf(entry));
  }

  function go(from, to, side, words) {
    const step = from.pop();
    if (!step) {
      say(words.nothing);
      return undefined;
    }
    to.push(step);
    const answer = settle(step.id, step[side]);
    say(words.did);
    return answer;
  }

  return Object.create(store, {
    saveMeasurement: {
      value(id, body, shown) {
        const before = find(id);
        const answer = store.saveMeasurement(id, body, shown);
        remember({ id, before: before && { ...before }, after: { ...shown, ...body } }, answer);
        return answer;
      },
    },
    removeMeasurement: {
      value(id) {
        const before = find(id);
        const answer = store.removeMeasurement(id);
        if (before) remember({ id, before: { ...before }, after: undefined }, answer);
        return answer;
      },
    },
    undo: {
      value: () => go(done, undone, "before", { did: "Undone", nothing: "Nothing to undo" }),
    },
    redo: {
      value: () => go(undone, done, "after", { did: "Done again", nothing: "Nothing to redo" }),
    },
  });
}
