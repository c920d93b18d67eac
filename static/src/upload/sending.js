/**
 * Sends files, a few at a time. What the portal says of a file decides what becomes of it; what is no
 * answer is asked again until there is one. Nothing that arrived is sent again.
 */
import { backoff } from "../worklist/backoff.js";

export const AT_ONCE = 4;
/** Attempts at a file that the portal answers with an error before the others go on without it. */
const ATTEMPTS = 5;
const OUTCOMES = { 200: "duplicate", 201: "stored", 202: "quarantined" };
const FOR_EVER = new Set([413, 415]);
const FOR_ALL = new Set([401, 403, 404, 405]);
const BY_ITSELF =
  "Leave this page open: sending goes on by itself, and what arrived is not sent again.";
const UNREACHED = `The portal cannot be reached. ${BY_ITSELF}`;
/** No fault of the file: asked again for as long as it takes. */
const AWAY = {
  0: UNREACHED,
  408: UNREACHED,
  429: `The portal is busy. ${BY_ITSELF}`,
  502: UNREACHED,
  503: `The portal is busy. ${BY_ITSELF}`,
  504: UNREACHED,
};
const HALTS = {
  401: "You were logged out. Log in again, then go on: what arrived is kept.",
  403: "The portal does not let you send to this site any more.",
};
const REFUSED = {
  413: "It is larger than the portal accepts.",
  415: "The portal does not take this kind of file.",
};
const GONE = "It can no longer be read: was it changed, or the disc or stick taken out?";

/**
 * `content(item)`: `{ body, sha256 }` of a file, sha256 "" where it is not known; raises where it cannot be read.
 * `post(item, content, progress)`: `{ status, body }`, status 0 for no answer.
 * `check(item)`: brings `item.arrived`, a list of `{ sha256, outcome, words }`, up to date; raises where nobody answers.
 * `loggedOut()` when the portal knows nobody any more, or not yet.
 * `changed(item)` after every change of a file, `changed()` after one of the whole.
 */
export class Sender {
  constructor({
    content,
    post,
    check,
    changed,
    loggedOut = () => {},
    // A browser's own setTimeout refuses to be called as a method.
    later = (job, milliseconds) => setTimeout(job, milliseconds),
  }) {
    Object.assign(this, { content, post, check, changed, loggedOut, later });
    this.queue = [];
    this.running = 0;
    /** In words, while nothing is sent before somebody does something. */
    this.halted = "";
    this.paused = false;
    this.stopped = false;
    /** In words, while the portal does not answer as it should; it goes on by itself. */
    this.cut = "";
    this.failures = 0;
    this.wakers = new Set();
  }

  get unfinished() {
    return this.queue.length + this.running;
  }

  /** Queues files and sends; resolves when all have a result. */
  async send(items) {
    this.stopped = false;
    this.queue.push(...items);
    await Promise.all(Array.from({ length: AT_ONCE }, () => this.#lane()));
  }

  pause() {
    this.paused = true;
    this.changed();
  }

  /** Goes on now, whatever was waited for. */
  goOn() {
    this.paused = false;
    this.halted = "";
    this.#wake();
    this.changed();
  }

  /** Sends nothing more: what is being sent ends, what waits is "ready" again. */
  stop() {
    this.stopped = true;
    for (const item of this.queue.splice(0)) this.#set(item, "ready");
    this.cut = "";
    this.goOn();
  }

  #wake() {
    for (const wake of [...this.wakers]) wake();
  }

  async #lane() {
    while (this.queue.length > 0) {
      await this.#mayGo();
      const item = this.queue.shift();
      if (!item) return;
      this.running += 1;
      try {
        await this.#one(item);
      } finally {
        this.running -= 1;
      }
    }
  }

  async #mayGo() {
    while (this.paused || this.halted) await this.#pause(0);
    if (this.cut) await this.#pause(backoff(this.failures));
    while (this.paused || this.halted) await this.#pause(0);
  }

  /** Until somebody wakes all, or `milliseconds` are over. */
  #pause(milliseconds) {
    return new Promise((resolve) => {
      const wake = () => {
        this.wakers.delete(wake);
        resolve();
      };
      this.wakers.add(wake);
      if (milliseconds) this.later(wake, milliseconds);
    });
  }

  #set(item, state, words = "") {
    item.state = state;
    item.words = words;
    if (state !== "sending") item.sent = ["waiting", "ready"].includes(state) ? 0 : item.size;
    this.changed(item);
  }

  #answered() {
    this.failures = 0;
    if (!this.cut) return;
    this.cut = "";
    this.#wake();
  }

  async #one(item) {
    this.#set(item, "sending");
    if (item.unsure) {
      try {
        await this.check(item);
      } catch (error) {
        return this.#judge(item, error.status ?? 0, null);
      }
      item.unsure = false;
      this.#answered();
    }
    let content;
    try {
      content = await this.content(item);
    } catch (error) {
      return this.#set(item, "refused", error.name === "ReadingError" ? error.message : GONE);
    }
    const known = content.sha256 && item.arrived?.find(({ sha256 }) => sha256 === content.sha256);
    if (known) {
      const outcome = known.outcome === "stored" ? "duplicate" : known.outcome;
      return this.#set(item, outcome, known.words || "It arrived earlier and was not sent again.");
    }
    const { status, body } = await this.post(item, content, (bytes) => {
      item.sent = Math.min(bytes, item.size);
      this.changed(item);
    });
    return this.#judge(item, status, body);
  }

  #judge(item, status, body) {
    if (status in OUTCOMES && body?.outcome === OUTCOMES[status]) {
      this.#answered();
      return this.#set(item, body.outcome, body.words);
    }
    if (FOR_EVER.has(status)) {
      this.#answered();
      return this.#set(item, "refused", REFUSED[status]);
    }
    if (FOR_ALL.has(status)) {
      if (status === 401 && !this.halted) this.loggedOut();
      this.halted = HALTS[status] ?? `The portal cannot take files just now (${status}).`;
      return this.#back(item);
    }
    if (!(status in AWAY)) item.attempts = (item.attempts ?? 0) + 1;
    if (item.attempts >= ATTEMPTS) {
      item.attempts = 0;
      this.#answered();
      return this.#set(item, "refused", `The portal could not take it (${status}).`);
    }
    // It may have arrived or not: asked before it is sent again.
    item.unsure = true;
    this.cut = AWAY[status] ?? `The portal answers with an error (${status}). ${BY_ITSELF}`;
    this.failures += 1;
    return this.#back(item);
  }

  #back(item) {
    if (this.stopped) {
      this.cut = "";
      this.halted = "";
      return this.#set(item, "ready");
    }
    this.#set(item, "waiting");
    this.queue.unshift(item);
    this.changed();
    return undefined;
  }
}
