/**
 * A reader's own keys and mouse buttons over the defaults. Pure. What is kept names only what differs:
 * `keys` lists of keys by action, `buttons` a tool by mouse button.
 */
import { actionNames, defaultKeys, shortcuts } from "./keys.js";

/** Tools that a mouse button may have. */
export const tools = { window: "Window", scroll: "Scroll", zoom: "Zoom", pan: "Pan" };
export const buttonNames = {
  left: "Left button, as a study opens",
  middle: "Middle button",
  right: "Right button",
  wheel: "Wheel",
};
export const defaultButtons = { left: "window", middle: "pan", right: "zoom", wheel: "scroll" };
const wheelTools = ["scroll", "zoom"];

/** The tools that a button may have. */
export const toolsOf = (button) => (button === "wheel" ? wheelTools : Object.keys(tools));

/** Esc closes, gives up and resets: it is always that. */
export const fixed = "escape";
const undoing = new Set(["Ctrl+Z", "Ctrl+Shift+Z", "Ctrl+Y"]);
const modifiers = new Set(["Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock", "Dead"]);
const large =
  /^(F([1-9]|1[0-2])|Home|End|Page Up|Page Down|Del|Backspace|Enter|Space|Insert|[↑↓←→])$/u;

/** Why a key cannot be given, in words; "" where it can; undefined while more of it is to come. */
export function unusable(name, { altKey = false } = {}) {
  const bare = name.replace(/^Ctrl\+(Shift\+)?/, "");
  if (modifiers.has(bare)) return undefined;
  if (altKey) return "Combinations with Alt belong to the browser.";
  if (name === "Esc") return "Esc always closes, gives up and resets.";
  if (bare !== name) {
    return undoing.has(name) ? "" : "Combinations with Ctrl belong to the browser.";
  }
  return [...name].length === 1 || large.test(name) ? "" : "This key cannot be given to an action.";
}

/**
 * Keys by action and actions by key. What somebody chose comes before what another action has by default.
 *
 * @param {Record<string, string[]>} chosen
 * @returns {{keys: Map<string, string[]>, actions: Map<string, string>, unknown: string[]}} unknown: chosen
 *   for actions that there are not
 */
export function keymap(chosen = {}) {
  const keys = new Map();
  const actions = new Map();
  const unknown = [];
  const give = (action, names) => {
    const free = names.filter((name) => !actions.has(name));
    for (const name of free) actions.set(name, action);
    keys.set(action, free);
  };
  give(fixed, ["Esc"]);
  for (const [action, names] of Object.entries(chosen)) {
    if (action in actionNames) give(action, names);
    else unknown.push(action);
  }
  for (const [action, names] of defaultKeys) if (!keys.has(action)) give(action, names);
  for (const action of Object.keys(actionNames)) if (!keys.has(action)) keys.set(action, []);
  return { keys, actions, unknown };
}

const isSame = (one, other) =>
  one.length === other.length && one.every((each) => other.includes(each));

/** Of keys by action, those that differ from the defaults. */
export function chosenOf(keys) {
  return Object.fromEntries(
    [...keys].filter(([action, names]) => !isSame(names, defaultKeys.get(action) ?? [])),
  );
}

/** The action, by its name, that has the key already, undefined for none. */
export function takenBy(keys, name, action) {
  const found = [...keys].find(([each, names]) => each !== action && names.includes(name));
  return found && (actionNames[found[0]] ?? "Reset");
}

/** Which button has the tool already, undefined for none. The wheel may do what a button does. */
export function buttonWith(buttons, tool, button) {
  if (button === "wheel") return undefined;
  return Object.keys(buttonNames).find(
    (each) => each !== button && each !== "wheel" && buttons[each] === tool,
  );
}

const said = { window: "window", scroll: "scroll", zoom: "zoom", pan: "pan" };

/** The rows of the help with a reader's own keys and buttons. */
export function helpRows({ keys }, buttons) {
  const given = new Set();
  const rows = shortcuts.map((row) => {
    const actions = [...new Set(Object.values(row.keys))];
    const isOwn = (action) => !isSame(keys.get(action) ?? [], defaultKeys.get(action) ?? []);
    const names = actions.some(isOwn)
      ? actions.flatMap((action) => {
          // Of an action in two rows, each row has its own keys; other keys stand in the first one.
          if (isOwn(action)) return given.has(action) ? [] : keys.get(action);
          return Object.keys(row.keys).filter((name) => row.keys[name] === action);
        })
      : Object.keys(row.keys);
    for (const action of actions) given.add(action);
    if (row.mouse === "Right button, middle button") {
      const { right, middle, wheel } = buttons;
      const wheelToo = wheel === "scroll" ? "" : `; wheel ${said[wheel]}`;
      return { ...row, names, does: `${tools[right]}, ${said[middle]}${wheelToo}` };
    }
    const mouse = row.mouse === "wheel" && buttons.wheel !== "scroll" ? undefined : row.mouse;
    return { ...row, names, mouse };
  });
  const own = [...keys].filter(([action, names]) => !defaultKeys.has(action) && names.length);
  return [
    ...rows.filter(({ names, mouse }) => names.length || mouse),
    ...own.map(([action, names]) => ({ names, does: actionNames[action] })),
  ];
}
