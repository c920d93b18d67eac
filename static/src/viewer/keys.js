/** Keys of the viewer, by `event.key`; letters in either case. */
const actions = new Map([
  ["s", "mode:scroll"],
  ["w", "mode:window"],
  ["z", "mode:zoom"],
  ["p", "mode:pan"],
  ["r", "reset"],
  ["escape", "reset"],
  ["i", "invert"],
  [" ", "cine"],
  ["arrowdown", "next"],
  ["arrowright", "next"],
  ["arrowup", "previous"],
  ["arrowleft", "previous"],
  ["home", "first"],
  ["end", "last"],
  ["pagedown", "next-series"],
  ["pageup", "previous-series"],
  ["o", "priors"],
  ["k", "capture"],
  ["l", "mode:length"],
  ["delete", "remove"],
  ["backspace", "remove"],
  ["e", "report"],
  ["?", "keys"],
]);

/**
 * The action that a key press stands for, undefined for none. Keys meant for a text field, a dialog, the
 * browser, or the button that has the focus are left alone.
 */
export function actionOf(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return undefined;
  const inField = event.target?.closest?.(
    "input, textarea, select, [contenteditable], dialog[open]",
  );
  if (inField) return undefined;
  if (
    (event.key === " " || event.key === "Enter") &&
    event.target?.closest?.("button, a, summary")
  ) {
    return undefined;
  }
  return actions.get(event.key.toLowerCase());
}
