/** The page where somebody gives keys and mouse buttons of the viewer other tasks. */
import { ask, wordsOf } from "../reports/api.js";
import { make, write } from "../viewer/dom.js";
import { actionNames, defaultKeys, nameOf } from "../viewer/keys.js";
import { tell } from "../viewer/mine.js";
import {
  buttonNames,
  buttonWith,
  chosenOf,
  defaultButtons,
  keymap,
  takenBy,
  tools,
  toolsOf,
  unusable,
} from "../viewer/personal.js";
import { windowText } from "../viewer/wording.js";

const url = "/api/preferences/viewer/";
const byId = (id) => document.getElementById(id);
const state = JSON.parse(byId("preferences-state").textContent);
const answer = byId("preferences-answer");
const keep = byId("preferences-keep");

const { keys, unknown } = keymap(state.keys);
keys.delete("escape");
let buttons = { ...defaultButtons, ...state.buttons };
let windows = state.windows;
/** The action that the next key is for. */
let waiting;
let isChanged = false;

function say(words, kind = "") {
  answer.className = `notice ${kind && `notice-${kind}`}`.trim();
  write(answer, words);
  answer.hidden = !words;
}

function changed() {
  isChanged = true;
  keep.disabled = false;
}

/** Draws the rows anew; the focus goes to what has `focus` as its data-focus. */
function draw(focus) {
  drawButtons();
  drawKeys();
  drawWindows();
  if (focus) document.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
}

function drawButtons() {
  const rows = Object.entries(buttonNames).map(([button, name]) => {
    const select = make(
      "select",
      { className: "field", data: { focus: button } },
      ...toolsOf(button).map((tool) =>
        make("option", { value: tool, text: tools[tool], selected: buttons[button] === tool }),
      ),
    );
    select.addEventListener("change", () => {
      const other = buttonWith(buttons, select.value, button);
      if (other) {
        say(`${buttonNames[other]} is already ${tools[select.value]}.`, "warn");
      } else {
        buttons = { ...buttons, [button]: select.value };
        say("");
        changed();
      }
      draw(button);
    });
    return make("label", {}, make("span", { text: name }), select);
  });
  byId("preference-buttons").replaceChildren(...rows);
}

function drawKeys() {
  const rows = Object.entries(actionNames).map(([action, name]) => {
    const names = keys.get(action) ?? [];
    const usual = defaultKeys.get(action) ?? [];
    const chips = names.map((key) => {
      const button = make(
        "button",
        { type: "button", className: "key-chip", "aria-label": `Take ${key} away from ${name}` },
        make("kbd", { text: key }),
        make("span", { className: "icon icon-close", "aria-hidden": "true" }),
      );
      button.addEventListener("click", () => {
        keys.set(
          action,
          names.filter((each) => each !== key),
        );
        say("");
        changed();
        draw(action);
      });
      return button;
    });
    const add = make("button", {
      type: "button",
      className: "button button-quiet",
      text: waiting === action ? "Press a key, Esc for none" : "Add",
      "aria-label": waiting === action ? `Press the key for ${name}` : `Add a key for ${name}`,
      "aria-pressed": String(waiting === action),
      data: { focus: action },
    });
    add.addEventListener("click", () => {
      waiting = waiting === action ? undefined : action;
      say("");
      draw(action);
    });
    const isOwn = names.length !== usual.length || names.some((each) => !usual.includes(each));
    return make(
      "tr",
      isOwn ? { className: "is-own" } : {},
      make("th", { scope: "row", text: name }),
      make("td", {}, ...chips, add),
      make("td", { className: "muted", text: usual.join(", ") || "none" }),
    );
  });
  byId("preference-keys").replaceChildren(...rows);
}

function drawWindows() {
  byId("windows-none").hidden = windows.length > 0;
  const rows = windows.map(({ id, modality, unit, name, center, width }) => {
    const remove = make("button", {
      type: "button",
      className: "button button-quiet",
      text: "Remove",
      "aria-label": `Remove the window ${name}`,
    });
    remove.addEventListener("click", async () => {
      const { kind, data } = await ask("DELETE", `${url}windows/${id}/`);
      if (kind === "ok") {
        windows = data.windows;
        tell({ windows });
        say(`The window ${name} was removed.`, "ok");
        draw();
      } else {
        say(kind === "offline" ? "The portal cannot be reached." : "It was not removed.", "warn");
      }
    });
    return make(
      "li",
      {},
      make("b", { text: name, dir: "auto" }),
      make("span", {
        className: "numbers muted",
        text: `${modality} ${windowText({ width, center })} ${unit}`.trim(),
      }),
      remove,
    );
  });
  byId("preference-windows").replaceChildren(...rows);
}

/** The key for the action that waits for one. */
function give(event) {
  if (waiting === undefined) return;
  if (event.key === "Tab") {
    waiting = undefined;
    drawKeys();
    return;
  }
  event.preventDefault();
  event.stopPropagation();
  const key = nameOf(event);
  const why = unusable(key, event);
  if (why === undefined) return;
  const action = waiting;
  const owner = takenBy(keys, key, action);
  waiting = undefined;
  if (key === "Esc") say("");
  else if (why) say(why, "warn");
  else if (owner) say(`${key} is already ${owner}. Take it away there first.`, "warn");
  else if (!(keys.get(action) ?? []).includes(key)) {
    keys.set(action, [...(keys.get(action) ?? []), key]);
    say("");
    changed();
  }
  draw(action);
}

async function store(words) {
  keep.disabled = true;
  const own = {
    keys: chosenOf(keys),
    buttons: Object.fromEntries(
      Object.entries(buttons).filter(([button, tool]) => tool !== defaultButtons[button]),
    ),
  };
  const { kind, data } = await ask("PUT", url, own);
  if (kind === "ok") {
    isChanged = false;
    byId("preferences-broken").hidden = true;
    tell(own);
    say(words, "ok");
    return;
  }
  keep.disabled = false;
  if (kind === "offline") say("The portal cannot be reached. Nothing was kept.", "warn");
  else say(wordsOf(data, "It could not be kept."), "warn");
}

document.addEventListener("keydown", give, true);
keep.addEventListener("click", () => store("Kept."));
byId("preferences-reset").addEventListener("click", () => {
  for (const action of Object.keys(actionNames)) keys.set(action, defaultKeys.get(action) ?? []);
  buttons = { ...defaultButtons };
  draw();
  store("Keys and buttons are as usual again.");
});
window.addEventListener("beforeunload", (event) => {
  if (isChanged) event.preventDefault();
});
byId("preferences-broken").hidden = !(state.isBroken || unknown.length);
draw();
document.documentElement.dataset.page = "ready";
