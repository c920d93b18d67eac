/**
 * Hanging protocols: which rules fit a study, and what of it goes into which viewport. Pure, but for asking
 * `framesOf`. The rules are those that `studies/hanging/rules.py` has checked.
 */
import { planeName } from "./geometry.js";
import { Tag, items, text, values } from "./tags.js";

const folded = (value) =>
  String(value ?? "")
    .normalize("NFC")
    .trim()
    .toLowerCase();
const hasWord = (words, value) => words.some((word) => folded(value).includes(folded(word)));
const isOneOf = (wanted, value) => wanted.some((each) => folded(each) === folded(value));

/** Views by code (PS3.16 CID 4014): SNOMED CT, and what was used before. */
const viewCodes = {
  399162004: "CC",
  "R-10242": "CC",
  399368009: "MLO",
  "R-10226": "MLO",
  399260004: "ML",
  "R-10224": "ML",
  399352003: "LM",
  "R-10228": "LM",
};

/** The view of a picture: its code where the file has one, else ViewPosition. */
export function viewOf({ dataset }) {
  const code = text(items(dataset, Tag.ViewCodeSequence)[0], Tag.CodeValue);
  return viewCodes[code] ?? text(dataset, Tag.ViewPosition).toUpperCase();
}

export function lateralityOf({ dataset }) {
  return text(dataset, Tag.ImageLaterality) || text(dataset, Tag.Laterality);
}

/**
 * Whether the rules are meant for a study.
 *
 * @param {object} match
 * @param {object} facts
 * @param {object[]} facts.series of the study
 * @param {string} facts.description StudyDescription
 * @param {object[]} facts.priors comparable ones
 */
export function fits(match, { series, description, priors }) {
  const pictures = series.filter((each) => each.pictures);
  const some = (test) => pictures.some(test);
  const images = pictures.reduce((sum, { count }) => sum + count, 0);
  return (
    pictures.length > 0 &&
    (!match.modality || some((each) => isOneOf(match.modality, each.modality))) &&
    (!match.bodyPart || some((each) => isOneOf(match.bodyPart, each.bodyPart))) &&
    (!match.laterality || some((each) => isOneOf(match.laterality, each.laterality))) &&
    (!match.description ||
      hasWord(match.description, description) ||
      some((each) => hasWord(match.description, each.description))) &&
    priors.length >= (match.priors ?? 0) &&
    images >= (match.images ?? 0)
  );
}

/** The first of the protocols that fits: a person's own stand before the site's, the built-in ones last. */
export const matched = (protocols, facts) =>
  protocols.find(({ rules }) => fits(rules.match ?? {}, facts));

function isWantedSeries(wanted, series) {
  return (
    series.pictures &&
    (!wanted.modality || isOneOf(wanted.modality, series.modality)) &&
    (!wanted.bodyPart || isOneOf(wanted.bodyPart, series.bodyPart)) &&
    (!wanted.laterality || isOneOf(wanted.laterality, series.laterality)) &&
    (!wanted.description || hasWord(wanted.description, series.description)) &&
    !(wanted.without && hasWord(wanted.without, series.description)) &&
    series.count >= (wanted.images ?? 0)
  );
}

/** Index of the frame that is wanted, -1 for none. */
export function frameIn(frames, { view, laterality, at, place }) {
  if (view || laterality) {
    return frames.findIndex(
      (frame) =>
        (!view || isOneOf(view, viewOf(frame))) &&
        (!laterality || folded(laterality) === folded(lateralityOf(frame))),
    );
  }
  if (at) return at <= frames.length ? at - 1 : -1;
  if (place === "middle") return Math.floor((frames.length - 1) / 2);
  return place === "last" ? frames.length - 1 : 0;
}

const needsFrames = ({ series = {}, image = {} }) =>
  Boolean(series.plane || image.view || image.laterality);

/**
 * What goes into the viewports, one after the other: what is asked for first is loaded first.
 *
 * @param {object} rules
 * @param {object} world
 * @param {object} world.study
 * @param {(rank: number) => Promise<object | undefined>} world.prior 1 for the newest comparable one
 * @param {(study: object, uid: string) => Promise<object[]>} world.framesOf in reading order
 * @yields {{cell: number, study?: object, uid?: string, placeIn?: Function, window?: object, facing?:
 *   string, why?: string}} `cell` from 0
 */
export async function* placed(rules, { study, prior, framesOf }) {
  const used = new Set();
  const done = [];

  async function find(wanted, from) {
    const candidates = from
      .series()
      .filter((series) => isWantedSeries(wanted.series ?? {}, series));
    for (const series of candidates) {
      let at = 0;
      if (needsFrames(wanted)) {
        const frames = await framesOf(from, series.uid);
        if (wanted.series?.plane && planeName(frames[0]?.orientation) !== wanted.series.plane) {
          continue;
        }
        at = frameIn(frames, wanted.image ?? {});
        if (at < 0) continue;
      }
      const key = [from.id, series.uid, wanted.image?.at ?? at].join(" ");
      if (!used.has(key)) {
        used.add(key);
        return series.uid;
      }
    }
    return undefined;
  }

  for (const [cell, wanted] of rules.cells.entries()) {
    if (!wanted) continue;
    const { window, facing, image = {} } = wanted;
    const placeIn = (frames) => Math.max(0, frameIn(frames, image));
    let from = study;
    let uid;
    try {
      if (wanted.same) {
        ({ study: from, uid } = done[wanted.same - 1] ?? {});
      } else {
        if (wanted.study?.startsWith("prior"))
          from = await prior(Number(wanted.study.slice(6)) || 1);
        uid = from && (await find(wanted, from));
      }
    } catch {
      yield { cell, why: "What this viewport would show could not be loaded." };
      continue;
    }
    done[cell] = { study: from, uid };
    if (uid) yield { cell, study: from, uid, placeIn, window, facing };
    else {
      const why = from
        ? "No series or image of the kind that the hanging protocol names."
        : "There is no such prior of this patient.";
      yield { cell, why };
    }
  }
}

/** Whether a mammogram must be changed about for its chest wall to be on that side of the screen. */
export function facesAway(frame, facing) {
  const [row] = values(frame.dataset, Tag.PatientOrientation).map((each) =>
    String(each).toUpperCase(),
  );
  if (!facing || !row) return false;
  // The letters of the row direction say what is on the right of the picture; the chest wall is posterior.
  if (row.startsWith("P")) return facing === "left";
  return row.startsWith("A") && facing === "right";
}

/**
 * Rules that would give the viewports as they are now.
 *
 * @param {object} options
 * @param {string} options.layout
 * @param {object[]} options.cells what each shows: `series`, `priorRank` (0 for the study itself), `frame`,
 *   `window`
 * @param {string[]} options.link
 * @param {object} options.match
 */
export function rulesFrom({ layout, cells, link, match }) {
  const keys = cells.map(({ series, priorRank }) => series && `${priorRank} ${series.uid}`);
  return {
    match,
    layout,
    cells: cells.map(({ series, priorRank, frame, window }, at) => {
      if (!series) return null;
      const rule = {};
      const first = keys.indexOf(keys[at]);
      if (first < at) rule.same = first + 1;
      else {
        rule.series = { modality: [series.modality] };
        if (series.description) rule.series.description = [series.description.slice(0, 64)];
        if (priorRank) rule.study = priorRank === 1 ? "prior" : `prior ${priorRank}`;
      }
      const image = {};
      if (frame && !frame.orientation) {
        const [view, laterality] = [viewOf(frame), lateralityOf(frame)];
        if (view) image.view = [view];
        if (laterality) image.laterality = laterality;
      }
      if (Object.keys(image).length) rule.image = image;
      if (window) rule.window = window;
      return rule;
    }),
    ...(link.length ? { link } : {}),
  };
}
