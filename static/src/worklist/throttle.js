/**
 * Runs `work(key)` at once for a key that was quiet, then at most every `wait(key)` milliseconds, and
 * once more at the end for what came in between. One run per key at a time.
 */
export class KeyedThrottle {
  constructor(
    work,
    {
      wait = () => 300,
      later = (run, milliseconds) => setTimeout(run, milliseconds),
      now = () => performance.now(),
    } = {},
  ) {
    this.work = work;
    this.wait = wait;
    this.later = later;
    this.now = now;
    this.states = new Map();
  }

  request(key) {
    const state = this.states.get(key);
    if (state) {
      state.again = true;
      return;
    }
    this.#run(key);
  }

  async #run(key) {
    const state = { again: false };
    this.states.set(key, state);
    const began = this.now();
    try {
      await this.work(key);
    } catch {
      // The work reports its own failures; the key goes on.
    } finally {
      const left = Math.max(0, this.wait(key) - (this.now() - began));
      this.later(() => {
        this.states.delete(key);
        if (state.again) this.#run(key);
      }, left);
    }
  }
}
