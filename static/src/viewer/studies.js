/** The studies that the page shows: the one it was opened for, and priors of the same patient. */
import { createClient, pageState } from "./dicomweb.js";
import { maybePictures } from "./displayable.js";
import { createSegments } from "./segments/store.js";
import { loadState } from "./states/presenting.js";

/** What the page knows of its series before their metadata. */
function prepared(series) {
  return series.map((each) => {
    const pictures = maybePictures(each);
    return { ...each, pictures, thumbnail: pictures ? each.thumbnail : "" };
  });
}

/**
 * @param {object} state as the server gives it
 * @param {object} options
 * @param {object} options.store its measurements and key images
 * @param {boolean} [options.isPrior]
 */
export function createStudy(state, { store, isPrior = false }) {
  const client = createClient({ root: state.dicomweb, studyUID: state.study.uid });
  /** Metadata by series, as promises; those that failed are asked for again. */
  const metadata = new Map();
  /** Presentation states by UID, as promises. */
  const states = new Map();
  let series = prepared(state.series);

  const study = {
    id: state.study.id,
    uid: state.study.uid,
    date: state.study.date,
    isPrior,
    store,
    client,
    /** Of the pages of a PDF. */
    pagesURL: (sop) => `${state.documentsURL}${sop}/`,
    /** What a presentation state of the study says; asked for once. */
    stateOf(uid) {
      if (!states.has(uid)) {
        const promise = loadState(`${state.statesURL}${uid}/`);
        promise.catch(() => states.delete(uid));
        states.set(uid, promise);
      }
      return states.get(uid);
    },
    series: () => series,
    seriesOf: (uid) => series.find((each) => each.uid === uid),
    metadataOf(uid) {
      if (!metadata.has(uid)) {
        const promise = client.seriesMetadata(uid);
        promise.catch(() => metadata.delete(uid));
        metadata.set(uid, promise);
      }
      return metadata.get(uid);
    },
    /** What has arrived since; gives the series that have grown or shrunk. */
    update(next) {
      const before = new Map(series.map((each) => [each.uid, each]));
      series = prepared(next.series);
      const changed = series.filter(({ uid, count }) => before.get(uid)?.count !== count);
      for (const { uid } of changed) metadata.delete(uid);
      // A state may be about images that have come since.
      if (changed.length) states.clear();
      return new Set(changed.map(({ uid }) => uid));
    },
  };
  return Object.assign(study, {
    segments: createSegments({
      series: study.series,
      metadataOf: study.metadataOf,
      framesURL: client.framesURL,
    }),
  });
}

/**
 * The priors that were opened, each once. The server gives only studies of the page's own patient; a state
 * of anybody else is refused here, too.
 *
 * @param {object} options
 * @param {(prior: number) => string} options.urlOf
 * @param {object} options.patient the page's, `ref` being the same for the same patient only
 * @param {(studyId: number) => object} options.storeOf
 */
export function createPriorStudies({ urlOf, patient, storeOf }) {
  const opened = new Map();

  async function load(id) {
    const state = await pageState(urlOf(id));
    if (state.study.id !== id || state.patient.ref !== patient.ref) {
      throw new Error("A study of another patient was offered as a prior.");
    }
    return createStudy(state, { store: storeOf(id), isPrior: true });
  }

  return {
    /** @param {number} id of the study */
    open(id) {
      if (!opened.has(id)) {
        const promise = load(id);
        promise.catch(() => opened.delete(id));
        opened.set(id, promise);
      }
      return opened.get(id);
    },
  };
}
