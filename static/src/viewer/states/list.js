/** The presentation states of a study. */
import { Tag, items, numbers, text } from "../tags.js";
import { date, personName, time } from "../wording.js";

const applied = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.11\.[123]$/;
const state = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.11\./;

/** What the menu says of a state, and which images it is about. Pure. */
export function stateFacts(instance) {
  const about = new Map();
  for (const series of items(instance, Tag.ReferencedSeries)) {
    for (const image of items(series, Tag.ReferencedImages)) {
      const frames = numbers(image, Tag.ReferencedFrameNumber) ?? [];
      about.set(text(image, Tag.ReferencedSOPInstanceUID), frames);
    }
  }
  const label = text(instance, Tag.ContentLabel);
  const description = text(instance, Tag.ContentDescription);
  return {
    uid: text(instance, Tag.SOPInstanceUID),
    name: description || label || "Presentation state",
    detail: [
      personName(text(instance, Tag.ContentCreatorName)),
      date(text(instance, Tag.PresentationCreationDate)),
      time(text(instance, Tag.PresentationCreationTime)).slice(0, 5),
    ]
      .filter(Boolean)
      .join(" "),
    mayApply: applied.test(text(instance, Tag.SOPClassUID)),
    isAbout: ({ sopInstanceUID, frame }) => {
      const frames = about.get(sopInstanceUID);
      return frames !== undefined && (!frames.length || frames.includes(frame));
    },
  };
}

/** Every state of a study, the newest first; `failed` counts series that could not be read. */
export async function statesOf(study) {
  const series = study
    .series()
    .filter(({ modality, sopClasses = [] }) =>
      sopClasses.length ? sopClasses.some((uid) => state.test(uid)) : modality === "PR",
    );
  const read = await Promise.allSettled(series.map(({ uid }) => study.metadataOf(uid)));
  const instances = read.flatMap(({ value }) => value ?? []);
  const found = instances
    .filter((instance) => state.test(text(instance, Tag.SOPClassUID)))
    .sort((a, b) => moment(b).localeCompare(moment(a)))
    .map(stateFacts);
  return { states: found, failed: read.filter(({ status }) => status === "rejected").length };
}

const moment = (instance) =>
  text(instance, Tag.PresentationCreationDate) + text(instance, Tag.PresentationCreationTime);
