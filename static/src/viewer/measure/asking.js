/** A line to write in, on the picture: the words of an arrow, the length of a calibration. */
import { make } from "../dom.js";

/**
 * @param {HTMLElement} stage
 * @param {number[]} at in CSS pixels
 * @param {object} what
 * @param {string} what.label
 * @param {string} [what.value]
 * @param {string} [what.unit] a number of it is asked for
 * @returns {Promise<string | undefined>} undefined where it was given up
 */
export function askOn(stage, [x, y], { label, value = "", unit = "" }) {
  return new Promise((resolve) => {
    const input = make("input", {
      className: "mark-input",
      type: "text",
      maxlength: unit ? "10" : "120",
      value,
      placeholder: label,
      "aria-label": label,
      inputmode: unit ? "decimal" : "text",
      autocomplete: "off",
    });
    const box = make("form", { className: "mark-ask" }, input, unit);
    box.style.left = `${Math.max(4, Math.min(x, stage.clientWidth - 240))}px`;
    box.style.top = `${Math.max(4, Math.min(y + 8, stage.clientHeight - 48))}px`;
    let over = false;
    const end = (answer) => {
      if (over) return;
      over = true;
      box.remove();
      resolve(answer);
    };
    box.addEventListener("submit", (event) => {
      event.preventDefault();
      end(input.value.trim());
    });
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") end(undefined);
    });
    input.addEventListener("blur", () => end(unit ? undefined : input.value.trim()));
    stage.append(box);
    input.focus();
  });
}

/** Millimetres as people write them; undefined for what is none or makes no sense. */
export function millimetres(text) {
  const found = /^(\d+(?:[.,]\d+)?)\s*(mm|cm)?$/.exec(text.trim());
  if (!found) return undefined;
  const value = Number(found[1].replace(",", ".")) * (found[2] === "cm" ? 10 : 1);
  return value > 0 && value <= 2000 ? value : undefined;
}
