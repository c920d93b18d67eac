/** Keys of the report, by `event.code`: where they are on the keyboard, whatever they type. */

const actions = new Map([
  ["alt+KeyT", "template"],
  ["alt+KeyN", "normal"],
  ["alt+KeyI", "facts"],
  ["alt+KeyM", "measurements"],
  ["alt+KeyK", "key-images"],
  ["alt+KeyP", "priors"],
  ["alt+ArrowDown", "next-section"],
  ["alt+ArrowUp", "previous-section"],
  ["ctrl+KeyS", "save"],
  ["ctrl+Enter", "sign-final"],
  ["ctrl+shift+Enter", "sign-preliminary"],
  ["Escape", "images"],
]);

/** The action that a key press in the report stands for, undefined for none. */
export function actionOf({ code, altKey, ctrlKey, metaKey, shiftKey, isComposing }) {
  // AltGr types characters: it is Ctrl and Alt at once.
  if (isComposing || (altKey && (ctrlKey || metaKey))) return undefined;
  const parts = [altKey && "alt", (ctrlKey || metaKey) && "ctrl", shiftKey && "shift", code];
  return actions.get(parts.filter(Boolean).join("+"));
}
