/**
 * Which events of a site have been seen. Numbers grow by one; one that is missing may still be on
 * its way (two writers commit out of order), so a gap counts only after `grace` milliseconds.
 */
export class SequenceTracker {
  /**
   * @param {object} options
   * @param {() => void} options.onGap called once for any number of gaps found together
   * @param {number} [options.grace]
   * @param {(run: () => void, milliseconds: number) => unknown} [options.later]
   */
  constructor({
    onGap,
    grace = 700,
    later = (run, milliseconds) => setTimeout(run, milliseconds),
  }) {
    this.onGap = onGap;
    this.grace = grace;
    this.later = later;
    this.last = new Map();
    this.missing = new Map();
    this.waiting = false;
  }

  /** The numbers that the page was rendered with: everything up to them is on it. */
  start(numbers) {
    for (const [site, seq] of Object.entries(numbers)) this.last.set(String(site), Number(seq));
    this.missing.clear();
  }

  /** What is known, as the socket's `since` wants it. */
  since() {
    return [...this.last].map(([site, seq]) => `${site}:${seq}`).join(",");
  }

  /** An event came. False where it is known already and says nothing new. */
  saw(site, seq) {
    const name = String(site);
    const last = this.last.get(name);
    if (last === undefined) {
      this.last.set(name, seq);
      return true;
    }
    if (seq <= last) return this.#found(name, seq);
    this.#expect(name, last + 1, seq - 1);
    this.last.set(name, seq);
    return true;
  }

  /** The server's last numbers: what is above ours was lost or is on its way. */
  announced(numbers) {
    for (const [site, seq] of Object.entries(numbers)) {
      const last = this.last.get(String(site));
      if (last === undefined) this.last.set(String(site), seq);
      else if (seq > last) {
        this.#expect(String(site), last + 1, seq);
        this.last.set(String(site), seq);
      } else if (seq < last - 1000) {
        // The server's numbers began again (restored database): nothing we know is right.
        this.last.set(String(site), seq);
        this.onGap();
      }
    }
  }

  #found(name, seq) {
    const missing = this.missing.get(name);
    if (!missing?.delete(seq)) return false;
    if (!missing.size) this.missing.delete(name);
    return true;
  }

  #expect(name, from, to) {
    if (to < from) return;
    const missing = this.missing.get(name) ?? new Set();
    // A long gap is not worth listing: one number stands for all of it.
    for (let seq = Math.max(from, to - 200); seq <= to; seq += 1) missing.add(seq);
    this.missing.set(name, missing);
    if (this.waiting) return;
    this.waiting = true;
    this.later(() => {
      this.waiting = false;
      if (!this.missing.size) return;
      this.missing.clear();
      this.onGap();
    }, this.grace);
  }
}
