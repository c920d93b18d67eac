/**
 * Which windows of one browser belong together, and what each does when another opens a patient.
 * Pure: `windows.js` speaks.
 *
 * A window is `{id, role: "viewer" | "report", pair, study, patient}`; those of one `pair` switch
 * patient together or not at all. A window that was opened by itself has no pair: it only warns.
 */

export const CHANNEL = "lightbox-reading";

/** The pair that a window's name tells, "" for none. */
export function pairOf(name) {
  return /^lightbox-(?:viewer|report):([0-9a-f-]{8,36})$/.exec(name ?? "")?.[1] ?? "";
}

export const nameOf = (role, pair) => `lightbox-${role}:${pair}`;

/** Windows whose patient counts for `me`: its partner, or without one every window of the other kind. */
function partners(me, others) {
  const other = others.filter(({ role }) => role !== me.role);
  const own = other.filter(({ pair }) => pair && pair === me.pair);
  return own.length ? own : other;
}

/**
 * What the other window shows, compared with this one.
 *
 * @returns {"none" | "same" | "study" | "patient"} no other window, the same study, another study of
 *   the patient, another patient
 */
export function standing(me, others) {
  const found = partners(me, others);
  if (!found.length) return "none";
  if (found.some(({ study }) => study === me.study)) return "same";
  return found.some(({ patient }) => patient === me.patient) ? "study" : "patient";
}

/**
 * What `me` does when `other` has opened a study: "follow", "nothing", and whether it may is asked
 * before ("follow" with unsaved text becomes "refuse").
 */
export function reaction(me, other) {
  if (!me.pair || me.pair !== other.pair || me.role === other.role) return "nothing";
  return me.patient === other.patient ? "nothing" : "follow";
}
