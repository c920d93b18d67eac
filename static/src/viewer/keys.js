/**
 * What keys and mouse do, in the order of the help. The viewer's keys, its help dialog and the table of
 * docs/viewer.md are made from this one table.
 *
 * Each row: `keys`, by the name that the help shows, with the action of each; `mouse`, where the mouse does
 * the same; `does`, in words.
 */
export const shortcuts = [
  { keys: { "↑": "previous", "↓": "next" }, mouse: "wheel", does: "Previous, next image" },
  { keys: { "←": "previous", "→": "next" }, does: "Previous, next image" },
  { keys: { Home: "first", End: "last" }, does: "First, last image" },
  {
    keys: { "Page Up": "previous-series", "Page Down": "next-series" },
    does: "Previous, next series",
  },
  {
    keys: { W: "mode:window", S: "mode:scroll", Z: "mode:zoom", P: "mode:pan" },
    does: "Left button: window, scroll, zoom, pan",
  },
  { keys: {}, mouse: "Right button, middle button", does: "Zoom, pan" },
  {
    keys: { L: "mode:length", 1: "mode:length", 2: "mode:bidirectional" },
    does: "Measure: length; two diameters (drag the long one)",
  },
  {
    keys: { 3: "mode:angle", 4: "mode:cobb" },
    does: "Measure: angle (drag, then click), Cobb angle (drag two lines)",
  },
  {
    keys: { 5: "mode:ellipse", 6: "mode:rectangle", 7: "mode:freehand" },
    does: "Region: ellipse, rectangle, freehand",
  },
  { keys: { 8: "mode:probe" }, does: "Pixel value" },
  { keys: { 9: "mode:arrow", 0: "mode:text" }, does: "Text, arrow" },
  {
    keys: { Del: "remove", Backspace: "remove" },
    does: "Remove the measurement that is selected",
  },
  { keys: { Enter: "name" }, does: "Name the measurement that is selected" },
  {
    keys: { "Ctrl+Z": "undo", "Ctrl+Shift+Z": "redo" },
    does: "Undo, redo measuring and removing",
  },
  { keys: { K: "capture" }, does: "Keep this image as key image" },
  { keys: { E: "report" }, does: "Open the report, or go to it" },
  { keys: { I: "invert" }, does: "Invert grey values" },
  { keys: { F1: "preset:0" }, does: "Window as the file says" },
  {
    keys: Object.fromEntries(
      Array.from({ length: 9 }, (_, at) => [`F${at + 2}`, `preset:${at + 1}`]),
    ),
    does: "Windows of the modality: the menu names them",
  },
  { keys: { H: "mirror-across", V: "mirror-down" }, does: "Flip left and right, top and bottom" },
  { keys: { ",": "turn-left", ".": "turn-right" }, does: "Turn left, right" },
  { keys: { "=": "one-to-one" }, does: "One pixel of the image on one of the screen" },
  { keys: { "+": "magnifier" }, does: "Magnifier" },
  { keys: { Space: "cine" }, does: "Play, stop" },
  {
    keys: { G: "layout" },
    does: "Layout; there arrows and Enter, or two digits: rows and columns",
  },
  { keys: { N: "next-cell", B: "previous-cell" }, mouse: "click", does: "Next, previous viewport" },
  { keys: { X: "maximise" }, mouse: "double click", does: "Maximise the viewport, and back" },
  { keys: {}, mouse: "Drag from the rail", does: "Put a series or a prior into a viewport" },
  { keys: { J: "link:scroll" }, does: "Scroll together by place; priors as they stand now" },
  {
    keys: { Y: "link:window", U: "link:view" },
    does: "Same window, same zoom and place everywhere",
  },
  { keys: { T: "link:lines" }, does: "Lines where the active image cuts the others" },
  { keys: { D: "hanging" }, does: "Hanging protocols" },
  { keys: { M: "planes" }, does: "Axial, coronal, sagittal planes through the series (MPR)" },
  { keys: { C: "compare" }, does: "The newest comparable prior beside" },
  {
    keys: { O: "priors" },
    does: "Priors; there Enter for the report beside, C into the viewport, V for the study alone",
  },
  { keys: { F: "full-screen" }, does: "Full screen, and back" },
  { keys: { Q: "second-window" }, does: "This study in a second window that follows" },
  { keys: {}, mouse: "Two fingers", does: "Pinch: zoom; up and down: previous, next image" },
  {
    keys: { R: "reset", Esc: "escape" },
    does: "Reset window, zoom and place; Esc gives up a drawing first",
  },
  { keys: { "?": "keys" }, does: "This help" },
];

/** Actions that have no key of their own until somebody gives them one. */
const spare = {
  ...Object.fromEntries(
    Array.from({ length: 9 }, (_, at) => [`own-window:${at}`, `Your window ${at + 1}`]),
  ),
  picture: "Export the picture",
};

/** What each action is called where keys are given to it. */
export const actionNames = {
  previous: "Previous image",
  next: "Next image",
  first: "First image",
  last: "Last image",
  "previous-series": "Previous series",
  "next-series": "Next series",
  "mode:window": "Window",
  "mode:scroll": "Scroll",
  "mode:zoom": "Zoom",
  "mode:pan": "Pan",
  "mode:length": "Length",
  "mode:bidirectional": "Two diameters",
  "mode:angle": "Angle",
  "mode:cobb": "Cobb angle",
  "mode:ellipse": "Ellipse",
  "mode:rectangle": "Rectangle",
  "mode:freehand": "Freehand region",
  "mode:probe": "Pixel value",
  "mode:arrow": "Arrow",
  "mode:text": "Text",
  remove: "Remove the measurement",
  name: "Name the measurement",
  undo: "Undo",
  redo: "Redo",
  capture: "Key image",
  report: "Report",
  invert: "Invert",
  "preset:0": "Window as the file says",
  ...Object.fromEntries(
    Array.from({ length: 9 }, (_, at) => [`preset:${at + 1}`, `Window ${at + 1} of the modality`]),
  ),
  ...spare,
  "mirror-across": "Flip left and right",
  "mirror-down": "Flip top and bottom",
  "turn-left": "Turn left",
  "turn-right": "Turn right",
  "one-to-one": "Pixel for pixel",
  magnifier: "Magnifier",
  cine: "Play, stop",
  layout: "Layout",
  "next-cell": "Next viewport",
  "previous-cell": "Previous viewport",
  maximise: "Maximise the viewport",
  "link:scroll": "Link scrolling",
  "link:window": "Link windows",
  "link:view": "Link zoom and place",
  "link:lines": "Lines of the active image",
  hanging: "Hanging protocols",
  planes: "Planes (MPR)",
  compare: "Compare with a prior",
  priors: "Priors",
  "full-screen": "Full screen",
  "second-window": "Second window",
  reset: "Reset",
  keys: "This help",
};

/** `event.key` in lower case of the names that differ from it. */
const pressed = {
  "↑": "arrowup",
  "↓": "arrowdown",
  "←": "arrowleft",
  "→": "arrowright",
  "Page Up": "pageup",
  "Page Down": "pagedown",
  Del: "delete",
  Space: " ",
  Esc: "escape",
};

const named = new Map(Object.entries(pressed).map(([name, key]) => [key, name]));

/** Names of keys by action, as long as nobody has chosen others. */
export const defaultKeys = new Map();
for (const { keys } of shortcuts) {
  for (const [name, action] of Object.entries(keys)) {
    defaultKeys.set(action, [...(defaultKeys.get(action) ?? []), name]);
  }
}

/** Actions by the name of the key, as long as nobody has chosen others. */
const defaultActions = new Map(
  [...defaultKeys].flatMap(([action, names]) => names.map((name) => [name, action])),
);

/** The name of the key that is pressed, as the help writes it: "Z", "Page Up", "Ctrl+Z". */
export function nameOf({ key, ctrlKey, metaKey, shiftKey }) {
  const held = ctrlKey || metaKey ? `Ctrl+${shiftKey ? "Shift+" : ""}` : "";
  return held + (named.get(key.toLowerCase()) ?? (key.length === 1 ? key.toUpperCase() : key));
}

/**
 * The action that a key press stands for, undefined for none. Keys meant for a text field, a dialog, the
 * browser, or the button that has the focus are left alone.
 *
 * @param {KeyboardEvent} event
 * @param {Map<string, string>} [actions] by the name of the key
 */
export function actionOf(event, actions = defaultActions) {
  if (event.altKey || event.isComposing) return undefined;
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
  if (event.key === "Enter" && event.target?.closest?.("[role=option]")) return undefined;
  return actions.get(nameOf(event));
}
