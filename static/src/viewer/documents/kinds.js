/** Which objects are read as documents, in the place of pictures. Pure. */
import { Tag, items, text } from "../tags.js";

const pdf = "1.2.840.10008.5.1.4.1.1.104.1";
const keyObjects = "1.2.840.10008.5.1.4.1.1.88.59";
const reports = "1.2.840.10008.5.1.4.1.1.88.";

/** "pdf", "keys" (a key object selection), "report" (a structured report); undefined for what is none. */
export function documentKind(sopClassUID) {
  if (sopClassUID === pdf) return "pdf";
  if (sopClassUID === keyObjects) return "keys";
  return sopClassUID?.startsWith(reports) ? "report" : undefined;
}

const words = { pdf: "PDF", keys: "Key images", report: "Structured report" };

const conceptOf = (instance) => text(items(instance, Tag.ConceptName)[0], Tag.CodeMeaning);

/**
 * The documents of a series, the newest first.
 *
 * @param {object[]} instances DICOM JSON
 * @returns {{kind: string, name: string, title: string, sopInstanceUID: string, date: string, time: string,
 *   instance: object}[]}
 */
export function documentsOf(instances) {
  return instances
    .map((instance) => {
      const kind = documentKind(text(instance, Tag.SOPClassUID));
      return {
        kind,
        name: words[kind],
        title: text(instance, Tag.DocumentTitle) || conceptOf(instance) || words[kind],
        sopInstanceUID: text(instance, Tag.SOPInstanceUID),
        date: text(instance, Tag.ContentDate),
        time: text(instance, Tag.ContentTime),
        instance,
      };
    })
    .filter(({ kind }) => kind)
    .sort((a, b) => `${b.date}${b.time}`.localeCompare(`${a.date}${a.time}`));
}
