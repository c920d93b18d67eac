/** The status page: asked for anew every few seconds while someone can see it. */
import { toLogin } from "../app/login.js";
import { morphInside } from "../app/morph.js";

const EVERY = 10_000;
const PATIENCE = 8_000;
const byId = (id) => document.getElementById(id);
let asking = false;

function say(state, words, problem = "") {
  const dot = byId("live");
  if (dot.dataset.live !== state) {
    dot.dataset.live = state;
    dot.textContent = words;
  }
  byId("status-error").textContent = problem;
  byId("status-error").hidden = !problem;
}

async function refresh() {
  if (asking || document.hidden) return;
  asking = true;
  try {
    const answer = await fetch(location.pathname, {
      headers: { "HX-Request": "true", "X-Background": "1" },
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (answer.status === 401) return void toLogin();
    if (!answer.ok) {
      say(
        "reconnecting",
        "trying again…",
        `What stands here is old: the portal answered with an error (${answer.status}). It is asked again by itself.`,
      );
      return;
    }
    morphInside(byId("status-live"), await answer.text());
    say("live", "live");
  } catch {
    say(
      "offline",
      "offline",
      "What stands here is old: the portal cannot be reached. It is asked again by itself.",
    );
  } finally {
    asking = false;
  }
}

setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
document.documentElement.dataset.page = "ready";
