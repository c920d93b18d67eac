/** The windows of one browser that show images and reports speak with one another. Ids only. */
import { CHANNEL, nameOf, pairOf, reaction, standing } from "./pairing.js";

const FORGOTTEN = 12_000;
const BEAT = 4000;

const addressOf = {
  viewer: (study) => `/studies/${study}/view/`,
  report: (study) => `/reports/${study}/write/`,
};

/**
 * @param {object} me
 * @param {"viewer" | "report"} me.role
 * @param {number} me.study
 * @param {number} me.patient
 * @param {object} on
 * @param {() => Promise<boolean>} on.settle saves what is unsaved; false where that fails
 * @param {(standing: string) => void} on.standing how this window compares with the others
 * @param {(study: number) => void} on.refused the partner stays with another study
 * @param {(message: object) => void} on.message everything else: "editing", "saved", "annotations", "show"
 */
export function joinWindows({ role, study, patient }, on) {
  let pair = pairOf(window.name);
  if (role === "viewer" && !pair) {
    pair = crypto.randomUUID();
    window.name = nameOf("viewer", pair);
  }
  const me = { id: crypto.randomUUID(), role, pair, study, patient };
  const others = new Map();
  const channel = new BroadcastChannel(CHANNEL);
  const send = (type, more = {}) => channel.postMessage({ v: 1, ...me, ...more, type });

  function look() {
    const now = Date.now();
    for (const [id, { at }] of others) if (now - at > FORGOTTEN) others.delete(id);
    on.standing(standing(me, [...others.values()]));
  }

  async function follow(other) {
    if (await on.settle()) {
      location.assign(addressOf[role](other.study));
    } else {
      send("refused", { to: other.id });
    }
  }

  channel.addEventListener("message", ({ data }) => {
    if (data?.v !== 1 || data.id === me.id) return;
    if (data.type === "logged-in") {
      on.message(data);
      return;
    }
    if (data.type === "bye") {
      others.delete(data.id);
    } else {
      const { id, role: theirs, pair: its, study: open, patient: whose } = data;
      others.set(id, { id, role: theirs, pair: its, study: open, patient: whose, at: Date.now() });
    }
    if (data.type === "opened") {
      send("here");
      if (reaction(me, data) === "follow") follow(data);
    } else if (data.type === "who") {
      send("here");
    } else if (data.type === "refused" && data.to === me.id) {
      on.refused(data.study);
    } else if (!["here", "bye"].includes(data.type)) {
      on.message(data);
    }
    look();
  });
  setInterval(() => {
    send("here");
    look();
  }, BEAT);
  addEventListener("pagehide", () => send("bye"));
  addEventListener("pageshow", (event) => event.persisted && send("opened"));
  document.addEventListener("visibilitychange", () => document.hidden || send("who"));
  send("opened");

  return {
    send,
    /** Opens the report in a window of its own, or brings that window to this study. */
    openReport() {
      return window.open(
        addressOf.report(study),
        nameOf("report", pair),
        "popup,width=900,height=1000",
      );
    },
    hasReportWindow: () =>
      [...others.values()].some((one) => one.role === "report" && one.pair === pair),
  };
}
