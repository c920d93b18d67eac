/** The link `step` places from the one at `at` (-1: none); "before" above the first one. */
export function nextLink(links, at, step) {
  if (at < 0) return step > 0 ? links[0] : undefined;
  if (at + step < 0) return "before";
  return links[Math.min(links.length - 1, at + step)];
}
