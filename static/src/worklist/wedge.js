/**
 * Scanners that type like a keyboard. Their keys come faster than fingers are, and end with Enter.
 *
 * A key is held back for a moment: where the next one follows at once, they are a scanner's and no
 * shortcut; where none does, it was a person's and is passed on.
 */

/** Milliseconds between two keys of a scanner, at most. */
export const GAP = 50;
/** Fewer keys than this are no code, however fast. */
export const SHORTEST = 4;
export const LONGEST = 64;

export class Wedge {
  /** `onScan(code)`; `onKey(key)` for each key that was a person's after all. */
  constructor({
    onScan,
    onKey,
    wait = (then, milliseconds) => setTimeout(then, milliseconds),
    cancel = (timer) => clearTimeout(timer),
  }) {
    this.onScan = onScan;
    this.onKey = onKey;
    this.wait = wait;
    this.cancel = cancel;
    this.keys = [];
    this.at = -Infinity;
    this.timer = undefined;
  }

  /** A key at `at` (milliseconds). True where it is held back: nobody else must act on it. */
  press(key, at, isRepeat = false) {
    if (this.keys.length && at - this.at > GAP) this.settle();
    if (key === "Shift") return false;
    if (key === "Enter") return this.enter();
    // Alone, a space presses a button or turns the page: no code begins with it.
    if (key.length !== 1 || isRepeat || (key === " " && !this.keys.length)) {
      this.settle();
      return false;
    }
    this.keys.push(key);
    this.at = at;
    this.cancel(this.timer);
    this.timer = this.wait(() => this.settle(), GAP + 10);
    return true;
  }

  enter() {
    if (this.keys.length < SHORTEST) {
      this.settle();
      return false;
    }
    const code = this.keys.join("").trim();
    this.forget();
    if (code.length >= SHORTEST && code.length <= LONGEST) this.onScan(code);
    return true;
  }

  /** No Enter came. A few keys were a person's; a burst was a scanner's that ends otherwise. */
  settle() {
    const keys = this.keys;
    this.forget();
    if (keys.length < SHORTEST) for (const key of keys) this.onKey(key);
  }

  forget() {
    this.cancel(this.timer);
    this.keys = [];
  }
}
