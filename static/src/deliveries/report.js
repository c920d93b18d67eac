/**
 * Where a report went: `<section data-deliveries="/reports/12/deliveries/">` is filled by the server and
 * kept up to date. The report's page and the viewer's panel both have one.
 */
import htmx from "../app/htmx.js";
import { watchDialog } from "../app/dialog.js";
import { toLogin } from "../app/login.js";
import { morphInside } from "../app/morph.js";
import { watchMoved } from "../app/moved.js";

const LIVE = "[data-live-part]";

/** Why the dialog does not show what was asked for; 0 is no answer at all. */
export function trouble(status) {
  if (!status) return "The portal cannot be reached. Nothing was sent.";
  if (status === 403) return "Your role does not send reports of this site.";
  if (status === 404) return "This report is no longer shown to you.";
  return `The portal answered with an error (${status}). Nothing was sent.`;
}

/** The number of the report in `/reports/12/deliveries/`. */
export function reportOf(path) {
  return Number(/\/reports\/(\d+)\//.exec(path)?.[1]);
}

function opens(button, report) {
  watchDialog(button, {
    path: button.dataset.deliver,
    title: "deliver-title",
    className: "print-dialog send-dialog",
    trouble,
    watch: (refresh) =>
      watchMoved("delivery", {
        changed: (_, message) => message.report === report && refresh(),
        again: refresh,
      }),
  });
}

/** Fills `part` and keeps it up to date; gives the socket, which its caller may close. */
export function watchReportDeliveries(part) {
  const path = part.dataset.deliveries;
  const report = reportOf(path);

  function say(words) {
    const note =
      part.querySelector("[role=alert]") ?? part.appendChild(document.createElement("p"));
    note.className = "notice notice-stat";
    note.setAttribute("role", "alert");
    note.textContent = words;
  }

  async function refresh() {
    try {
      const answer = await fetch(path, { headers: { "X-Background": "1" } });
      if (answer.status === 401) return void toLogin();
      if (!answer.ok) return void say(`Deliveries cannot be shown (error ${answer.status}).`);
      show(await answer.text());
    } catch {
      say("The portal cannot be reached. Deliveries are shown when it is back.");
    }
    return undefined;
  }

  function show(text) {
    part.querySelector("[role=alert]")?.remove();
    const fresh = new DOMParser().parseFromString(text, "text/html").body;
    const live = part.querySelector(LIVE);
    if (live) return morphInside(live, fresh.querySelector(LIVE).childNodes);
    part.replaceChildren(...document.importNode(fresh, true).childNodes);
    htmx.process(part);
    const button = part.querySelector("[data-deliver]");
    if (button) opens(button, report);
    return undefined;
  }

  part.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.failed) say(trouble(event.detail.xhr?.status ?? 0));
    else refresh();
  });
  refresh();
  return watchMoved("delivery", {
    changed: (_, message) => message.report === report && refresh(),
    again: refresh,
  });
}
