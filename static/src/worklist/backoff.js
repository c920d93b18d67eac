/**
 * Milliseconds before the next attempt to connect: half a second doubled each time up to 10 s, of which
 * a random half, so that a hospital's browsers don't all come back at the same moment.
 */
export function backoff(attempt, random = Math.random) {
  const ceiling = Math.min(10_000, 500 * 2 ** Math.min(attempt, 10));
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}
