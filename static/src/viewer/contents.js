/** What a series holds, as a stack of frames or in words. */
import { whyNot } from "./displayable.js";
import { documentsOf } from "./documents/kinds.js";
import { framesOf } from "./frames.js";
import { sortFrames } from "./sorting.js";
import { plural } from "./wording.js";

/** What a series without pictures holds, by kind. */
function explainObjects(reasons) {
  const kinds = new Map();
  for (const { name, why } of reasons) {
    const kind = kinds.get(name) ?? { why, count: 0 };
    kind.count += 1;
    kinds.set(name, kind);
  }
  const entries = [...kinds];
  if (entries.length === 1) {
    const [[name, { why, count }]] = entries;
    return {
      title: `This series is ${name}`,
      lines: [why, ...(count > 1 ? [`It has ${plural(count, "object")} of this kind.`] : [])],
    };
  }
  return {
    title: "This series has no pictures",
    lines: entries.map(([name, { why, count }]) => `${count} × ${name}. ${why}`),
  };
}

/**
 * @param {object[]} instances DICOM JSON
 * @returns {{frames: object[], notice: string, explanation?: object, documents?: object[]}} frames in reading
 *   order; `notice` names what is left out; `explanation` says why there are none; `documents` are read instead
 */
export function contentsOf(instances) {
  const reasons = instances.map((instance) => whyNot(instance));
  const pictures = instances.filter((_, at) => !reasons[at]);
  const others = reasons.filter(Boolean);
  if (!pictures.length) {
    const documents = documentsOf(instances);
    const left = instances.length - documents.length;
    if (documents.length) {
      return { frames: [], notice: left ? `Not shown: ${plural(left, "object")}.` : "", documents };
    }
    return {
      frames: [],
      notice: "",
      explanation: instances.length
        ? explainObjects(others)
        : { title: "This series is empty", lines: ["No image of it has arrived yet."] },
    };
  }
  const names = [...new Set(others.map(({ name }) => name))].join(", ");
  return {
    frames: sortFrames(framesOf(pictures)),
    notice: others.length ? `Not shown in this series: ${others.length} × ${names}.` : "",
  };
}
