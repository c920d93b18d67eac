const defaultRate = 15;

/**
 * Plays the frames of a clip, or of the whole stack, in a loop. A frame that is not here yet is waited for:
 * nothing is skipped.
 *
 * @param {object} stack
 * @param {(playing: boolean, rate: number) => void} onChange
 */
export function createCine(stack, onChange) {
  let request = 0;
  let due = 0;
  let rate = defaultRate;

  function range() {
    const frame = stack.frameAt(stack.index);
    if (!frame || frame.frames < 2) return [0, stack.count() - 1];
    const clip = frame.sopInstanceUID;
    let first = stack.index;
    let last = stack.index;
    while (stack.frameAt(first - 1)?.sopInstanceUID === clip) first -= 1;
    while (stack.frameAt(last + 1)?.sopInstanceUID === clip) last += 1;
    return [first, last];
  }

  function step(now) {
    request = requestAnimationFrame(step);
    if (now < due) return;
    const [first, last] = range();
    const next = stack.index >= last ? first : stack.index + 1;
    if (!stack.isLoaded(next)) return;
    due = Math.max(due + 1000 / rate, now - 1000 / rate);
    stack.scrollTo(next);
  }

  return {
    get playing() {
      return request !== 0;
    },
    start() {
      if (request || stack.count() < 2) return;
      rate = Math.min(60, stack.frameAt(stack.index)?.frameRate ?? defaultRate);
      due = performance.now();
      request = requestAnimationFrame(step);
      onChange(true, rate);
    },
    stop() {
      if (!request) return;
      cancelAnimationFrame(request);
      request = 0;
      onChange(false, rate);
    },
    toggle() {
      if (request) this.stop();
      else this.start();
    },
  };
}
