/** Draws the patients and studies of a plan. All text goes in as text: names may hold markup. */
import { counted, dateOf, nameOf, sizeOf } from "./words.js";

function make(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

const isolated = (text) => make("bdi", "", text);

function studyOf(study) {
  const where = study.place
    ? study.place.images
      ? `here already with ${counted(study.place.images, "image")}`
      : "new"
    : "not looked up";
  const line = make(
    "p",
    "upload-study-line",
    make("span", "numbers", dateOf(study.date) || "no date"),
    make("span", "", [...study.modalities].filter(Boolean).join(", ") || "no modality"),
    make("span", "upload-study-text", isolated(study.description || "no description")),
    make("span", "", study.accession ? "acc " : "no accession", isolated(study.accession)),
    make(
      "span",
      "numbers",
      `${counted(study.series.size, "series", "series")}, ${counted(study.files, "file")}, ${sizeOf(study.bytes)}`,
    ),
    make("span", "muted", where),
  );
  const warnings = study.warnings.map((text) => make("p", "upload-warning", isolated(text)));
  return make("li", "", line, ...warnings);
}

function patientOf(patient) {
  const facts = [
    patient.patientId ? "ID " : "no ID",
    isolated(patient.patientId),
    ` · ${patient.birthDate ? `born ${dateOf(patient.birthDate)}` : "no birth date"}`,
    ` · ${patient.sex ? `sex ${patient.sex}` : "no sex"}`,
  ];
  return make(
    "article",
    "upload-patient",
    make(
      "h3",
      "",
      isolated(nameOf(patient.patientName)),
      " ",
      make("span", "upload-facts", ...facts),
    ),
    make("ul", "", ...patient.studies.map(studyOf)),
  );
}

/** Replaces what `box` shows. */
export function showPatients(box, patients) {
  box.replaceChildren(...patients.map(patientOf));
}
