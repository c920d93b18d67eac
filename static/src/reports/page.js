/** The report in a window of its own. */
import { watchSession } from "../app/session.js";
import { createPanel } from "./panel.js";
import { besideReport } from "./priors.js";

const priors = besideReport(Number(document.getElementById("report").dataset.study));
createPanel({ role: "report", toPriors: () => priors.toggle() }).start({ open: true });
watchSession();
