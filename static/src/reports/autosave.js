/**
 * Keeps a draft on the server while somebody writes. Pure: what it needs of the world is handed in.
 *
 * Every save names the revision it was made from. What could not be saved stays here, and the state
 * says so, until it is saved or the person has decided.
 */

export const DELAY = 3000;
const RETRY = [2000, 4000, 8000, 15_000, 30_000];
/** How often a session that is over is looked at again: somebody may have logged in elsewhere. */
const SESSION_EVERY = 4000;

/**
 * @typedef {object} State
 * @property {"saved" | "dirty" | "saving" | "offline" | "session" | "conflict" | "refused" | "invalid"} name
 * @property {string} [at] when it was saved
 * @property {string} [words] why not
 * @property {object} [theirs] the answer to a stale save
 */

/**
 * @param {object} world
 * @param {() => object} world.content the document as it is now
 * @param {(content: object, revision: number, leaving: boolean) => Promise<object>} world.put as `ask`
 * @param {(state: State) => void} world.show
 * @param {(call: () => void, wait: number) => any} [world.later]
 * @param {(timer: any) => void} [world.never]
 */
export function createAutosave({
  content,
  put,
  show,
  later = (call, wait) => setTimeout(call, wait),
  never = (timer) => clearTimeout(timer),
}) {
  let revision = 0;
  let savedText = "";
  let savedAt;
  let state = { name: "saved" };
  let timer;
  let running;
  let failures = 0;
  let stopped = true;

  const textNow = () => JSON.stringify(content());
  const isDirty = () => !stopped && textNow() !== savedText;

  function turn(next) {
    state = next;
    show(state);
  }

  function soon(wait) {
    never(timer);
    timer = later(() => {
      timer = undefined;
      save();
    }, wait);
  }

  async function save({ leaving = false } = {}) {
    if (stopped) return state;
    if (running) {
      await running;
      if (!isDirty()) return state;
    }
    if (state.name === "conflict" || state.name === "refused") return state;
    const text = textNow();
    if (text === savedText) {
      if (state.name !== "saved") turn({ name: "saved", at: savedAt });
      return state;
    }
    never(timer);
    timer = undefined;
    const before = state;
    if (!["offline", "session"].includes(state.name)) turn({ name: "saving" });
    running = put(JSON.parse(text), revision, leaving);
    const answer = await running;
    running = undefined;
    if (stopped) return state;
    settle(answer, text, before);
    return state;
  }

  function settle({ kind, data }, text, before) {
    if (kind === "ok") {
      failures = 0;
      revision = data.revision;
      savedText = text;
      savedAt = data.saved_at;
      if (textNow() === savedText) return turn({ name: "saved", at: savedAt });
      turn({ name: "dirty", at: savedAt });
      return soon(DELAY);
    }
    if (kind === "session") {
      turn({ name: "session" });
      return soon(SESSION_EVERY);
    }
    if (kind === "conflict" && data.code === "stale") {
      return turn({ name: "conflict", theirs: data });
    }
    if (kind === "conflict" || kind === "refused" || kind === "gone") {
      return turn({ name: "refused", words: data.detail, code: data.code });
    }
    // Sent again when it has changed.
    if (kind === "invalid") return turn({ name: "invalid", words: data });
    failures += 1;
    turn({ name: "offline", since: before.name === "offline" ? before.since : Date.now() });
    return soon(RETRY[Math.min(failures, RETRY.length) - 1]);
  }

  return {
    get state() {
      return state;
    },
    get revision() {
      return revision;
    },
    isDirty,

    /** What the server holds: from here on changes are saved. */
    start(atRevision, at) {
      never(timer);
      stopped = false;
      failures = 0;
      revision = atRevision;
      savedText = textNow();
      savedAt = at;
      turn({ name: "saved", at });
    },

    /** Nothing more is saved. */
    stop() {
      never(timer);
      stopped = true;
    },

    /** Something was typed or chosen. */
    changed() {
      if (stopped || !isDirty()) return;
      if (["saved", "invalid"].includes(state.name)) turn({ name: "dirty", at: savedAt });
      if (state.name === "dirty" && timer === undefined && !running) soon(DELAY);
    },

    /** Saves at once. Resolves with the state that came of it. */
    flush: (options) => save(options),

    /** Tries again now: the network or the session is back. */
    retry() {
      if (["offline", "session", "refused"].includes(state.name) && !running) {
        if (state.name === "refused") state = { name: "offline", since: Date.now() };
        return save();
      }
      return Promise.resolve(state);
    },

    /** The person has seen what was saved elsewhere and decided: the content stands over it. */
    resolved(overRevision) {
      revision = overRevision;
      savedText = "";
      turn({ name: "dirty", at: savedAt });
      return save();
    },
  };
}

const pad = (number) => String(number).padStart(2, "0");

/** `12:01:07` of an ISO date, in the browser's zone. */
export function clockOf(iso) {
  const at = new Date(iso);
  return Number.isNaN(at.getTime())
    ? ""
    : `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

/** The state in the user's words. */
export function wordsOfState({ name, at, words }) {
  switch (name) {
    case "saved":
      return at ? `Autosaved ${clockOf(at)}` : "Saved";
    case "dirty":
      return "Not saved yet";
    case "saving":
      return "Saving";
    case "offline":
      return "Offline: kept in this tab, trying again";
    case "session":
      return "Session over: kept in this tab";
    case "conflict":
      return "Conflict: saved elsewhere as well";
    case "invalid":
      return "Not saved: something has to be changed";
    default:
      return words ? "Not saved" : name;
  }
}
