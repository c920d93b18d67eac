/** Measurements and key images of a study: kept on the server as they are made. */
import { ask, wordsOf } from "./api.js";

const AGAIN = 5000;
const PATHS = { measurement: "measurements", keyImage: "key-images" };

/** @param {number} studyId */
export function createAnnotations(studyId) {
  const listeners = new Set();
  const keepers = new Set();
  const kept = { measurement: new Map(), keyImage: new Map() };
  /** Saves and removals that have not been answered, by id. */
  const pending = new Map();
  let timer;
  let words = "";

  const path = (kind, id = "") => `/api/studies/${studyId}/${PATHS[kind]}/${id ? `${id}/` : ""}`;

  function tell() {
    for (const listener of listeners) listener(store);
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      for (const job of [...pending.values()]) job();
    }, AGAIN);
  }

  /** Asks until there is an answer; what is asked later for the same id replaces it. */
  async function insist(id, method, where, body, done) {
    const job = () => insist(id, method, where, body, done);
    job.removes = method === "DELETE";
    pending.set(id, job);
    const answer = await ask(method, where, body);
    if (pending.get(id) !== job) return undefined;
    if (["offline", "session", "error"].includes(answer.kind)) {
      words =
        answer.kind === "session"
          ? "Not saved: the session is over. It is saved after the next login."
          : "Not saved yet: the portal cannot be reached. It is tried again.";
      soon();
      tell();
      return answer;
    }
    pending.delete(id);
    words = answer.kind === "ok" ? "" : wordsOf(answer.data, "It could not be saved.");
    done(answer);
    tell();
    if (answer.kind === "ok") for (const keeper of keepers) keeper();
    return answer;
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
    isPending: (id) => pending.has(id),
    measurements: () => [...kept.measurement.values()],
    keyImages: () => [...kept.keyImage.values()],
    /** Calls `listener(store)` whenever something is there or gone. */
    subscribe: (listener) => listeners.add(listener),
    /** Calls `keeper()` whenever this window has kept or removed something on the server. */
    whenKept: (keeper) => keepers.add(keeper),
    load,
    saveMeasurement: (id, body, shown) => save("measurement", id, body, shown),
    saveKeyImage: (id, body, shown) => save("keyImage", id, body, shown),
    removeMeasurement: (id) => remove("measurement", id),
    removeKeyImage: (id) => remove("keyImage", id),
  };
  return store;
}
