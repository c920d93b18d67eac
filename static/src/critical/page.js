/** The list of critical results: a result comes, goes and changes its place by itself. */
import { watchList } from "../app/livelist.js";

// What is overdue becomes so without an event, and a recipient may see no events of the study.
const AGAIN = 60_000;

const { reload } = watchList({
  key: "result",
  type: "critical.changed",
  list: "critical-list",
  error: "critical-error",
});
setInterval(() => document.hidden || reload(), AGAIN);
document.addEventListener("visibilitychange", () => document.hidden || reload());
