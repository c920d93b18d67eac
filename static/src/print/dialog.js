/** The Print dialog of a document: the server renders it, this opens it and keeps it up to date. */
import { watchDialog } from "../app/dialog.js";
import { watchEvents } from "../worklist/events.js";
import { KeyedThrottle } from "../worklist/throttle.js";

const SHOWN_EVERY = 250;

/** Why the dialog does not show what was asked for; 0 is no answer at all. */
export function trouble(status) {
  if (!status)
    return "The portal cannot be reached. Whether it is printed is shown when it is back.";
  if (status === 404) return "This document is no longer shown to you.";
  return `The portal answered with an error (${status}).`;
}

/** Whether an event is about a print that is shown or an agent that is offered, or some were missed. */
export function concerns(message, { commands, agents }) {
  if (message.type === "refetch") return true;
  if (message.type === "agent.changed") return agents.has(message.agent);
  return message.type === "command.changed" && commands.has(message.command);
}

const printers = (part) => [...part.querySelectorAll("[name=printer] option")];

/** A printer's name says how it is: it changes in place, so that a choice that is being made stays. */
function renamePrinters(dialog, fresh) {
  const words = new Map(printers(fresh).map((option) => [option.value, option.textContent]));
  for (const option of printers(dialog)) {
    option.textContent = words.get(option.value) ?? option.textContent;
  }
}

function watchPrints(refresh, dialog) {
  const throttle = new KeyedThrottle(refresh, { wait: () => SHOWN_EVERY });
  const shown = () => ({
    commands: new Set(
      [...dialog.querySelectorAll("[data-command]")].map((row) => Number(row.dataset.command)),
    ),
    agents: new Set(printers(dialog).map((option) => parseInt(option.value, 10))),
  });
  return watchEvents({
    onEvent: (message) => concerns(message, shown()) && throttle.request("list"),
    again: () => throttle.request("list"),
  });
}

/** Makes `button` open the dialog at its `data-print`. */
export function watchPrintDialog(button) {
  watchDialog(button, {
    path: button.dataset.print,
    title: "print-title",
    className: "print-dialog",
    trouble,
    watch: watchPrints,
    refreshed: renamePrinters,
  });
}
