/** Results, sizes, names and dates as people read them. */

/** Every state of a file: its word, and where it is counted: waiting, good, trouble or left. */
export const STATES = {
  left: { word: "left out", kind: "left" },
  ready: { word: "ready", kind: "waiting" },
  sending: { word: "sending", kind: "waiting" },
  waiting: { word: "waiting", kind: "waiting" },
  stored: { word: "stored", kind: "good" },
  duplicate: { word: "already here", kind: "good" },
  quarantined: { word: "in quarantine", kind: "trouble" },
  refused: { word: "not sent", kind: "trouble" },
};

const number = new Intl.NumberFormat("en");

/** `1 file`, `1,200 files`. */
export function counted(count, one, many = `${one}s`) {
  return `${number.format(count)} ${count === 1 ? one : many}`;
}

/** `512 B`, `1.5 MB`; decimal, as file managers show it. */
export function sizeOf(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["KB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = -1;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** `DOE, Jane` of a PN (PS3.5 6.2.1); its alphabetic group, or the first that says something. */
export function nameOf(pn) {
  const group = pn.split("=").find((each) => each.replace(/[\^\s]/g, "")) ?? "";
  const [family, ...rest] = group.split("^").map((part) => part.trim());
  return [family, rest.filter(Boolean).join(" ")].filter(Boolean).join(", ") || "no name";
}

/** `1972-03-04` of a DA; what is none is shown as it is. */
export function dateOf(da) {
  return /^\d{8}$/.test(da) ? `${da.slice(0, 4)}-${da.slice(4, 6)}-${da.slice(6)}` : da;
}

/** `4 min`, `1 h 10 min`. */
export function lasting(seconds) {
  const minutes = Math.max(1, Math.round(seconds / 60));
  if (seconds < 60) return "less than a minute";
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
