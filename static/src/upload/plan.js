/** To which patients and studies files would go, and what about that should be looked at. */
import { dateOf, nameOf } from "./words.js";

const same = (a, b) =>
  a
    .normalize("NFKC")
    .replace(/[\s^=]+/g, " ")
    .trim()
    .toLowerCase() ===
  b
    .normalize("NFKC")
    .replace(/[\s^=]+/g, " ")
    .trim()
    .toLowerCase();

/** Patients of `items` (each with `facts`), in the order of the files, each with its studies. */
export function patientsOf(items) {
  const patients = new Map();
  for (const { facts, size } of items) {
    const key = JSON.stringify([facts.patientId, facts.patientName, facts.birthDate, facts.sex]);
    let patient = patients.get(key);
    if (!patient) {
      const { patientId, patientName, birthDate, sex } = facts;
      patient = { patientId, patientName, birthDate, sex, studies: new Map() };
      patients.set(key, patient);
    }
    let study = patient.studies.get(facts.studyInstanceUid);
    if (!study) {
      study = {
        uid: facts.studyInstanceUid,
        date: facts.studyDate,
        description: facts.description,
        accession: facts.accession,
        modalities: new Set(),
        series: new Set(),
        files: 0,
        bytes: 0,
      };
      patient.studies.set(facts.studyInstanceUid, study);
    }
    study.modalities.add(facts.modality);
    study.series.add(facts.seriesInstanceUid);
    study.files += 1;
    study.bytes += size;
  }
  return [...patients.values()].map((patient) => ({
    ...patient,
    studies: [...patient.studies.values()],
  }));
}

function person({ name, birth_date: birthDate }) {
  return `${nameOf(name)}, ${birthDate ? `born ${dateOf(birthDate)}` : "no birth date"}`;
}

/** What should be looked at before a study is sent, in sentences; `place` is the portal's word on it. */
export function warningsOf(patient, study, place, patients) {
  const found = [];
  if (
    patients.some(
      (other) => other !== patient && other.studies.some(({ uid }) => uid === study.uid),
    )
  ) {
    found.push("Files of this one study name different patients.");
  }
  if (place?.other_patient) {
    found.push(
      `The portal has this study with another patient ID (${person(place.patients[0])}). What is sent goes to quarantine.`,
    );
    return found;
  }
  const known = place?.patients ?? [];
  const agrees = ({ name, birth_date: birthDate }) =>
    same(name, patient.patientName) &&
    (!birthDate || !patient.birthDate || birthDate === patient.birthDate);
  if (known.length > 0 && !known.some(agrees)) {
    found.push(`The portal knows this patient ID as ${person(known[0])}.`);
  }
  if (!patient.patientId) found.push("There is no patient ID: the study will stand alone.");
  return found;
}
