/** The reader's own keys, buttons and windows in this page; windows of the browser that change them tell. */
import { actionOf as actionIn } from "./keys.js";
import { defaultButtons, keymap } from "./personal.js";

const channel = "lightbox-preferences";
const listeners = new Set();
let map = keymap();
let buttons = defaultButtons;
let windows = [];

/** @param {{keys?: object, buttons?: object, windows?: object[]}} preferences what differs from the defaults */
export function use(preferences) {
  if (preferences.keys) map = keymap(preferences.keys);
  if (preferences.buttons) buttons = { ...defaultButtons, ...preferences.buttons };
  if (preferences.windows) windows = preferences.windows;
  for (const listener of listeners) listener();
  return { unknown: map.unknown };
}

export const onChange = (listener) => listeners.add(listener);
export const actionOf = (event) => actionIn(event, map.actions);
export const keysOf = (action) => map.keys.get(action) ?? [];
export const wholeMap = () => map;
export const mouseButtons = () => buttons;
export const ownWindows = () => windows;

/** Tells the other windows of this browser. */
export function tell(preferences) {
  const sender = new BroadcastChannel(channel);
  sender.postMessage(preferences);
  sender.close();
}

/** Takes up what another window kept. */
export function listen() {
  new BroadcastChannel(channel).addEventListener("message", ({ data }) => use(data));
}

const pressedAs = { "↑": "ArrowUp", "↓": "ArrowDown", "←": "ArrowLeft", "→": "ArrowRight" };
const spoken = (name) =>
  (pressedAs[name] ?? { Esc: "Escape", Del: "Delete" }[name] ?? name)
    .replace("Ctrl+", "Control+")
    .replace("Page ", "Page");

/** Every button of the page that has a key shows the reader's. */
export function showKeys(root = document) {
  for (const button of root.querySelectorAll("[data-mode], [data-action], [data-key-of]")) {
    const { mode, action, keyOf } = button.dataset;
    const names = keysOf(keyOf ?? (mode ? `mode:${mode}` : action));
    const hint = button.matches("kbd") ? button : button.querySelector("kbd");
    if (hint) {
      hint.textContent = (names[0] ?? "").replace("Ctrl+", "Ctrl ");
      hint.hidden = !names.length;
    }
    if (hint === button) continue;
    if (names.length) button.setAttribute("aria-keyshortcuts", names.map(spoken).join(" "));
    else button.removeAttribute("aria-keyshortcuts");
  }
}
