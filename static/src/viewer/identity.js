import { Tag, text } from "./tags.js";
import { personName } from "./wording.js";

const folded = (value) =>
  String(value ?? "")
    .normalize("NFC")
    .replace(/[\s^]+$/, "")
    .replace(/\s+/g, " ")
    .trim()
    .toUpperCase();

/**
 * Whether a picture says that it is of somebody else than the page: the ID or the name in its own header
 * differs. A header without them contradicts nothing.
 *
 * @param {object} dataset DICOM JSON
 * @param {{id: string, name: string}} patient as the page says it, the name in DICOM form
 * @returns {{id: string, name: string} | undefined} what the picture says
 */
export function contradiction(dataset, patient) {
  const id = text(dataset, Tag.PatientID);
  const name = text(dataset, Tag.PatientName);
  const otherId = id !== "" && id !== patient.id.trim();
  const otherName = name !== "" && folded(name) !== folded(patient.name);
  return otherId || otherName ? { id, name } : undefined;
}

/** What to say of an object that says it is of somebody else; "" for one that does not. */
export function otherIdentity(dataset, patient) {
  const other = contradiction(dataset, patient);
  if (!other) return "";
  return `carries another identity: ${personName(other.name) || "no name"}, ID ${other.id || "none"}`;
}
