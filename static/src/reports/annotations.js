/** Measurements and key images of a study: kept on the server as they are made. */
import { ask, wordsOf } from "./api.js";

const AGAIN = 5000;
const PATHS = { measurement: "measurements", keyImage: "key-images" };
const UNANSWERED = ["offline", "session", "error"];

/**
 * @param {number} studyId
 * @param {object} [options]
 * @param {number} [options.me] who looks, as authors are numbered
 */
export function createAnnotations(studyId, { me } = {}) {
  const listeners = new Set();
  const keepers = new Set();
  const kept = { measurement: new Map(), keyImage: new Map() };
  /** Saves and removals that have not been answered, by id: the last thing that was asked for. */
  const pending = new Map();
  /** Ids of which a request is under way. */
  const asking = new Set();
  let timer;
  let words = "";
  let trouble = "";
  let visible = true;

  const path = (kind, id = "") => `/api/studies/${studyId}/${PATHS[kind]}/${id ? `${id}/` : ""}`;

  function tell() {
    for (const listener of listeners) listener(store);
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(() => store.retry(), AGAIN);
  }

  /**
   * Asks until there is an answer; what is asked later for the same id replaces it, and waits for the
   * request that is under way: the server never sees the two in another order.
   */
  function insist(id, method, where, body, done) {
    pending.get(id)?.settle(undefined);
    return new Promise((settle) => {
      pending.set(id, { removes: method === "DELETE", method, where, body, done, settle });
      run(id);
    });
  }

  async function run(id) {
    const job = pending.get(id);
    if (!job || asking.has(id)) return;
    // The server must know a calibration before what was measured with it.
    if (pending.has(job.body?.calibration)) return;
    asking.add(id);
    const answer = await ask(job.method, job.where, job.body);
    asking.delete(id);
    if (pending.get(id) !== job) {
      run(id);
      return;
    }
    if (UNANSWERED.includes(answer.kind)) {
      trouble = answer.kind;
      words =
        answer.kind === "session"
          ? "Not saved: the session is over. It is saved after the next login."
          : "Not saved yet: the portal cannot be reached. It is tried again.";
      soon();
      tell();
      job.settle(answer);
      return;
    }
    pending.delete(id);
    trouble = "";
    words = answer.kind === "ok" ? "" : wordsOf(answer.data, "It could not be saved.");
    job.done(answer);
    tell();
    if (answer.kind === "ok") for (const keeper of keepers) keeper();
    job.settle(answer);
    for (const [other, { body }] of pending) if (body?.calibration === id) run(other);
  }

  async function load() {
    const [measurements, keyImages] = await Promise.all([
      ask("GET", path("measurement")),
      ask("GET", path("keyImage")),
    ]);
    if (measurements.kind !== "ok" || keyImages.kind !== "ok") return;
    const fill = (kind, rows) => {
      const waiting = [...kept[kind]].filter(([id]) => pending.has(id));
      kept[kind] = new Map([...rows.map((row) => [row.id, row]), ...waiting]);
      for (const [id, { removes }] of pending) if (removes) kept[kind].delete(id);
    };
    fill("measurement", measurements.data.measurements);
    fill("keyImage", keyImages.data.key_images);
    tell();
  }

  function save(kind, id, body, shown) {
    const before = kept[kind].get(id);
    kept[kind].set(id, { ...before, ...shown, ...body, id });
    tell();
    return insist(id, "PUT", path(kind, id), body, ({ kind: outcome, data }) => {
      if (outcome === "ok") kept[kind].set(id, data);
      else if (before) kept[kind].set(id, before);
      else kept[kind].delete(id);
    });
  }

  function remove(kind, id) {
    const before = kept[kind].get(id);
    kept[kind].delete(id);
    tell();
    return insist(id, "DELETE", path(kind, id), undefined, ({ kind: outcome }) => {
      if (outcome !== "ok" && outcome !== "gone" && before) kept[kind].set(id, before);
    });
  }

  const store = {
    get words() {
      return words;
    },
    /** Why something is not saved yet: "offline", "session", "error"; "" otherwise. */
    get trouble() {
      return trouble;
    },
    /** Whether measurements are drawn on the images. */
    get visible() {
      return visible;
    },
    setVisible(now) {
      visible = now;
      tell();
    },
    isPending: (id) => pending.has(id),
    hasPending: () => pending.size > 0,
    /** Whether the one who looks may change it: its author, and nobody else. */
    isMine: ({ author }) => !author || me === undefined || author.id === me,
    measurements: () => [...kept.measurement.values()],
    keyImages: () => [...kept.keyImage.values()],
    /** Calls `listener(store)` whenever something is there or gone. */
    subscribe: (listener) => listeners.add(listener),
    /** Calls `keeper()` whenever this window has kept or removed something on the server. */
    whenKept: (keeper) => keepers.add(keeper),
    /** Asks now for what has no answer yet: the network or the session is back. */
    retry() {
      for (const id of [...pending.keys()]) run(id);
    },
    load,
    saveMeasurement: (id, body, shown) => save("measurement", id, body, shown),
    saveKeyImage: (id, body, shown) => save("keyImage", id, body, shown),
    removeMeasurement: (id) => remove("measurement", id),
    removeKeyImage: (id) => remove("keyImage", id),
  };
  return store;
}
