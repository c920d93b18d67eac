/** Key object selections (PS3.3 A.35.4, TID 2010): the images that somebody marked. */
import { make } from "../dom.js";
import { Tag, items, numbers, text, values } from "../tags.js";
import { plural } from "../wording.js";

const most = 600;

/** Study and series of what is referred to, by SOP Instance UID (PS3.3 C.17.2.1). */
function placesOf(instance) {
  const found = new Map();
  for (const study of items(instance, Tag.CurrentEvidence)) {
    for (const series of items(study, Tag.ReferencedSeries)) {
      const place = {
        study: text(study, Tag.StudyInstanceUID),
        series: text(series, Tag.SeriesInstanceUID),
      };
      for (const one of items(series, Tag.ReferencedSOPs)) {
        found.set(text(one, Tag.ReferencedSOPInstanceUID), place);
      }
    }
  }
  return found;
}

/**
 * What a selection says. Pure.
 *
 * @param {object} instance DICOM JSON
 * @returns {{title: string, by: string, words: string[], places: {study: string, series: string, sop: string,
 *   frame: number | undefined}[]}}
 */
export function selectionOf(instance) {
  const evidence = placesOf(instance);
  const content = items(instance, Tag.ContentSequence);
  const concept = (item) => text(items(item, Tag.ConceptName)[0], Tag.CodeMeaning);
  const modifiers = content
    .filter((item) => text(item, Tag.ValueType) === "CODE" && /modifier/i.test(concept(item)))
    .map((item) => text(items(item, Tag.ConceptCode)[0], Tag.CodeMeaning));
  return {
    title: [concept(instance) || "Key images", ...modifiers].filter(Boolean).join(", "),
    by: content
      .filter((item) => text(item, Tag.ValueType) === "PNAME")
      .map((item) => text(item, Tag.PersonNameValue))
      .join("; "),
    words: content
      .filter((item) => text(item, Tag.ValueType) === "TEXT")
      .map((item) => text(item, Tag.TextValue))
      .filter(Boolean),
    places: content
      .filter((item) => text(item, Tag.ValueType) === "IMAGE")
      .flatMap((item) => items(item, Tag.ReferencedSOPs).slice(0, 1))
      .flatMap((one) => {
        const sop = text(one, Tag.ReferencedSOPInstanceUID);
        const place = { ...(evidence.get(sop) ?? { study: "", series: "" }), sop };
        const frames = values(one, Tag.ReferencedFrameNumber).length
          ? numbers(one, Tag.ReferencedFrameNumber)
          : undefined;
        return (frames ?? [undefined]).map((frame) => ({ ...place, frame }));
      }),
  };
}

/** A picture with its number; said in words where it is not in the study. */
function entry(place, at, { isHere, jump, thumbnailURL, labelOf }) {
  const missing = () => make("p", { className: "key-missing", text: "Not in this study" });
  if (!isHere(place)) return make("li", {}, missing());
  const label = `Key image ${at + 1}: ${labelOf(place)}${place.frame ? `, frame ${place.frame}` : ""}`;
  const image = make("img", { alt: "", loading: "lazy", decoding: "async" });
  const button = make(
    "button",
    { type: "button", className: "key-picture", "aria-label": label, data: { sop: place.sop } },
    image,
    make("span", { className: "numbers", text: label.replace(/^Key image /, "") }),
  );
  button.addEventListener("click", () => jump(place));
  image.addEventListener("error", () => image.replaceWith(missing()));
  image.src = thumbnailURL(place);
  return make("li", {}, button);
}

/**
 * @param {object} instance DICOM JSON
 * @param {object} context `isHere(place)`, `jump(place)`, `thumbnailURL(place)`, `labelOf(place)`
 * @returns {HTMLElement}
 */
export function keyImagesOf(instance, context) {
  const { title, by, words, places } = selectionOf(instance);
  const shown = places.slice(0, most);
  const more = places.length - shown.length;
  return make(
    "article",
    { className: "document-report" },
    make("h2", { text: title, dir: "auto" }),
    by
      ? make("p", { className: "document-by", text: `Marked by ${by.replace(/\^+/g, " ")}` })
      : null,
    ...words.map((line) => make("p", { className: "document-words", text: line, dir: "auto" })),
    places.length
      ? make(
          "ul",
          { className: "key-pictures" },
          ...shown.map((each, at) => entry(each, at, context)),
        )
      : make("p", { text: "It refers to no image." }),
    more > 0 ? make("p", { text: `And ${plural(more, "more image")}.` }) : null,
  );
}
