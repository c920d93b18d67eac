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
  {
    keys: { A: "solid" },
    does: "The series in 3D (MIP, surfaces), and back; there 1 to 6: from front, back, left, right, head, feet",
  },
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

/** Actions by `event.key` in lower case. */
const actions = new Map(
  shortcuts.flatMap(({ keys }) =>
    Object.entries(keys).map(([name, action]) => [pressed[name] ?? name.toLowerCase(), action]),
  ),
);

/**
 * The action that a key press stands for, undefined for none. Keys meant for a text field, a dialog, the
 * browser, or the button that has the focus are left alone.
 */
export function actionOf(event) {
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
  const held = event.ctrlKey || event.metaKey ? `ctrl+${event.shiftKey ? "shift+" : ""}` : "";
  return actions.get(held + event.key.toLowerCase());
}
