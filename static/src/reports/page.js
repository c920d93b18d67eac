/** The report in a window of its own. */
import { watchSession } from "../app/session.js";
import { createPanel } from "./panel.js";

createPanel({ role: "report" }).start({ open: true });
watchSession();
