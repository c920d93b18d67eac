/** Events from the socket become rows; what was missed becomes a fresh list. */
import { tellLost } from "../reading/lost.js";
import * as list from "./list.js";
import * as rows from "./rows.js";
import { scannerEvent } from "./scanner.js";
import { SequenceTracker } from "./sequence.js";
import { LiveSocket } from "./socket.js";
import { KeyedThrottle } from "./throttle.js";

const SHOWN_EVERY = 300;
const HIDDEN_EVERY = 2000;
const GAP_EVERY = 5000;
const AT_ONCE = 4;

const received = new Set();
const elsewhere = new Set();
const queue = [];
let running = 0;

/** At most a few requests at a time, whatever a catch-up brings. */
function slot() {
  if (running < AT_ONCE) {
    running += 1;
    return Promise.resolve();
  }
  return new Promise((resolve) => queue.push(resolve));
}

function release() {
  const next = queue.shift();
  if (next) next();
  else running -= 1;
}

async function update(study) {
  const isNew = received.has(study);
  await slot();
  try {
    const row = await list.fetchRow(study);
    const outcome = rows.apply(study, row, isNew);
    received.delete(study);
    if (outcome === "shown") elsewhere.delete(study);
    else elsewhere.add(study);
  } catch {
    // Not reachable or failing: the reconnect or the next event brings it.
  } finally {
    release();
  }
}

const throttle = new KeyedThrottle(update, {
  wait: (study) => (elsewhere.has(study) ? HIDDEN_EVERY : SHOWN_EVERY),
});

/** A study that this page itself changed: its row is asked for without waiting for the event. */
export const changed = (study) => throttle.request(study);

let gapAt = -GAP_EVERY;
let gapTimer = 0;

/** A user who sees single studies only has gaps all the time: not more often than this. */
function gap() {
  clearTimeout(gapTimer);
  gapTimer = setTimeout(
    () => {
      gapAt = performance.now();
      list.refetch();
    },
    Math.max(0, gapAt + GAP_EVERY - performance.now()),
  );
}

const tracker = new SequenceTracker({ onGap: gap });

function onMessage(message) {
  if (message.type === "hello") {
    tracker.announced(message.seq);
    if (connectedBefore) list.refetch();
    connectedBefore = true;
  } else if (message.type === "heartbeat") {
    tracker.announced(message.seq);
  } else if (message.type === "refetch") {
    list.refetch();
  } else if (message.study != null && message.type.startsWith("study.")) {
    tracker.saw(message.site, message.seq);
    if (message.type === "study.received" && !elsewhere.has(message.study)) {
      received.add(message.study);
    }
    throttle.request(message.study);
  } else if (message.seq != null && message.site != null) {
    tracker.saw(message.site, message.seq);
    scannerEvent(message);
    tellLost(message);
  }
}

let connectedBefore = false;

const WORDS = { live: "live", reconnecting: "reconnecting…", offline: "offline" };

function onStatus(status, since, isLong) {
  const dot = list.element("live");
  if (dot.dataset.live !== status) {
    dot.dataset.live = status;
    dot.textContent = WORDS[status];
  }
  dot.title =
    status === "live"
      ? "New studies and changes appear by themselves"
      : `No changes received since ${new Date(since).toLocaleTimeString("en-GB")}`;
  const banner = list.element("offline");
  if (banner.hidden === isLong) banner.hidden = !isLong;
  if (isLong)
    list.element("offline-since").textContent = new Date(since).toLocaleTimeString("en-GB");
}

/** After every rendering of the list: its numbers are what is known now. */
export function listRendered() {
  tracker.start(list.page().sequences);
}

export function watchLive() {
  listRendered();
  const socket = new LiveSocket(
    () => `/ws/worklist/?since=${encodeURIComponent(tracker.since())}`,
    {
      onMessage,
      onStatus,
      onFailure: (attempt) => (attempt < 3 || attempt % 5 === 0) && list.checkSession(),
    },
  );
  list.element("offline-retry").addEventListener("click", () => socket.retry());
}
