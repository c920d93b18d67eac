/** A viewport as a picture in a file: drawn from what is on the screen, after the server was asked. */
import { ask, wordsOf } from "../reports/api.js";
import { make, write } from "./dom.js";
import { contradiction } from "./identity.js";
import { edgeLetters } from "./orientation.js";
import { imageLines, patientLines, seriesLines, windowLines } from "./overlay.js";
import { Tag, text, values } from "./tags.js";
import { date, personName } from "./wording.js";

const warning = "Not for diagnosis";
const quality = 0.92;
const styled = [
  "fill",
  "stroke",
  "stroke-width",
  "stroke-opacity",
  "font",
  "paint-order",
  "display",
];

/** The four corners of a picture, and the line at its foot. Pure. */
export function facts(shown, { isNamed, isLossy, identity }) {
  const { frame } = shown;
  const foot = [warning, isLossy ? "saved with losses (JPEG)" : ""].filter(Boolean).join(" · ");
  const lossy = text(frame.dataset, Tag.LossyImageCompression) === "01" ? "Lossy compressed" : "";
  if (!isNamed) {
    return {
      topLeft: "",
      topRight: "",
      bottomLeft: windowLines(shown),
      bottomRight: lossy,
      foot,
    };
  }
  const day = date(text(frame.dataset, Tag.StudyDate));
  const other = contradiction(frame.dataset, identity);
  return {
    topLeft: [
      patientLines(frame),
      day ? `Study of ${day}` : "",
      other ? `Banner says: ${personName(identity.name)}, ID ${identity.id}` : "",
    ]
      .filter(Boolean)
      .join("\n"),
    topRight: seriesLines(frame),
    bottomLeft: windowLines(shown),
    bottomRight: imageLines(shown),
    foot,
  };
}

/** A layer over a viewport as a picture of its own, undefined where there is nothing in it. */
async function layerOf(stage, selector, { width, height, without = "" }) {
  const layer = stage.querySelector(selector);
  if (!layer?.childElementCount || !layer.clientWidth) return undefined;
  const copy = layer.cloneNode(true);
  const originals = [...layer.querySelectorAll("*")];
  for (const [at, element] of [...copy.querySelectorAll("*")].entries()) {
    const style = getComputedStyle(originals[at]);
    for (const name of styled) element.setAttribute(name, style.getPropertyValue(name));
    element.setAttribute("font-family", style.fontFamily);
    element.setAttribute("font-size", style.fontSize);
  }
  if (without) for (const element of copy.querySelectorAll(without)) element.remove();
  copy.setAttribute("viewBox", `0 0 ${layer.clientWidth} ${layer.clientHeight}`);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  await image.decode();
  return image;
}

function writeLines(context, lines, { x, y, size, align, up }) {
  const parts = lines.split("\n").filter(Boolean);
  context.textAlign = align;
  context.textBaseline = up ? "bottom" : "top";
  const step = Math.round(size * 1.35);
  for (const [at, line] of parts.entries()) {
    const place = up ? y - (parts.length - 1 - at) * step : y + at * step;
    context.strokeText(line, x, place);
    context.fillText(line, x, place);
  }
}

/**
 * What is on the screen of a cell as a canvas of its own, with what is known of it burnt in.
 *
 * @param {object} cell
 * @param {{isNamed: boolean, isLossy: boolean, identity: object, withMarks: boolean}} options
 */
export async function draw(cell, options) {
  const { shown, stack } = cell;
  const source = stack.canvas();
  const canvas = make("canvas");
  const { width, height } = source;
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0);
  // What a shutter hides on the screen it hides in the file, too.
  const state = await layerOf(cell.root, "svg.state-layer", {
    width,
    height,
    without: options.isNamed ? "" : ".state-graphic, .state-text",
  });
  if (state) context.drawImage(state, 0, 0, width, height);
  // A label may name somebody: without names there are no marks.
  const marks =
    options.isNamed &&
    options.withMarks &&
    (await layerOf(cell.root, "svg.measures", { width, height }));
  if (marks) context.drawImage(marks, 0, 0, width, height);
  const ratio = width / Math.max(1, source.clientWidth);
  const size = Math.round(Math.min(13 * ratio, Math.max(9 * ratio, width / 45)));
  context.font = `${size}px system-ui, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif`;
  context.fillStyle = "#e6eaef";
  context.strokeStyle = "#000";
  context.lineWidth = Math.max(2, size / 5);
  context.lineJoin = "round";
  const found = facts(shown, options);
  const edge = Math.round(size * 0.7);
  const right = width - edge;
  const bottom = height - edge;
  const line = (lines, place) => writeLines(context, lines, { size, ...place });
  line(found.topLeft, { x: edge, y: edge, align: "left" });
  line(found.topRight, { x: right, y: edge, align: "right" });
  line(found.bottomLeft, { x: edge, y: bottom, align: "left", up: true });
  line(found.bottomRight, { x: right, y: bottom, align: "right", up: true });
  line(found.foot, { x: width / 2, y: bottom, align: "center", up: true });
  const { dataset, orientation } = shown.frame;
  const letters = edgeLetters(shown.camera, {
    orientation,
    patientOrientation: values(dataset, Tag.PatientOrientation),
    quadruped: text(dataset, Tag.AnatomicalOrientationType) === "QUADRUPED",
  });
  const [middle, centre] = [height / 2 - size / 2, width / 2];
  line(letters.top ?? "", { x: centre, y: edge, align: "center" });
  line(letters.bottom ?? "", { x: centre, y: bottom - size * 1.6, align: "center", up: true });
  line(letters.left ?? "", { x: edge, y: middle, align: "left" });
  line(letters.right ?? "", { x: right, y: middle, align: "right" });
  return canvas;
}

const blobOf = (canvas, form) =>
  new Promise((resolve) => {
    canvas.toBlob(resolve, `image/${form}`, quality);
  });

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = make("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Hands a picture to the browser's own print dialog: nothing else of the page is on the paper. */
async function print(blob) {
  const image = new Image();
  image.className = "print-picture";
  image.alt = "";
  image.src = URL.createObjectURL(blob);
  await image.decode();
  document.body.append(image);
  document.documentElement.classList.add("prints-picture");
  window.print();
  document.documentElement.classList.remove("prints-picture");
  image.remove();
  URL.revokeObjectURL(image.src);
}

/**
 * @param {HTMLDialogElement} dialog
 * @param {object} options
 * @param {() => object} options.active the cell
 * @param {object} options.patient of the page's banner
 * @param {(words: string) => void} options.say
 */
export function createPictureDialog(dialog, { active, patient, say }) {
  const form = dialog?.querySelector("form");
  const answer = dialog?.querySelector("[data-part=answer]");
  const looked = dialog?.querySelector("[data-part=looked]");

  function told(words, isWrong = false) {
    answer.classList.toggle("is-wrong", isWrong);
    write(answer, words);
  }

  async function run(event) {
    event.preventDefault();
    const cell = active();
    if (event.submitter?.value === "close") {
      dialog.close();
      return;
    }
    const data = new FormData(form);
    const isPrint = event.submitter?.value === "print";
    const isNamed = data.get("names") === "with";
    const kind = isPrint ? "png" : data.get("form");
    const { frame, index } = cell.shown;
    const { kind: outcome, data: found } = await ask(
      "POST",
      `/api/studies/${cell.study.id}/pictures/`,
      {
        sop_instance_uid: frame.sopInstanceUID,
        frame: frame.frame,
        form: kind,
        deidentified: !isNamed,
        silent: data.has("looked"),
        printed: isPrint,
      },
    );
    if (outcome !== "ok") {
      looked.hidden = looked.hidden && outcome !== "conflict";
      told(
        outcome === "offline"
          ? "The portal cannot be reached. Nothing was saved."
          : outcome === "refused"
            ? "Your role does not take pictures out of the portal."
            : wordsOf(found, "It could not be saved."),
        true,
      );
      return;
    }
    if (!cell.shown || cell.shown.index !== index || cell.shown.frame !== frame) {
      told("Another image came onto the screen meanwhile. Nothing was saved; try again.", true);
      return;
    }
    const canvas = await draw(cell, {
      isNamed,
      isLossy: kind === "jpeg",
      identity: patient,
      withMarks: data.has("marks"),
    });
    const blob = await blobOf(canvas, kind);
    if (isPrint) {
      dialog.close();
      await print(blob);
      return;
    }
    save(blob, found.name);
    dialog.close();
    say(isNamed ? `Saved as ${found.name}` : `Saved without names as ${found.name}`);
  }

  form?.addEventListener("submit", run);
  form?.addEventListener("change", () => {
    const isNamed = new FormData(form).get("names") === "with";
    form.elements.marks.disabled = !isNamed;
    if (isNamed) looked.hidden = true;
    told("");
  });

  return {
    open() {
      if (!dialog) {
        say("Your role does not take pictures out of the portal.");
        return;
      }
      if (!active().shown) {
        say("There is no picture in this viewport.");
        return;
      }
      told("");
      looked.hidden = true;
      form.elements.looked.checked = false;
      dialog.showModal();
    },
  };
}
