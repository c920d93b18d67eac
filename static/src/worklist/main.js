import "../app/htmx.js";
import { watchAges } from "./age.js";
import { matchStrip, watchAppearance } from "./appearance.js";
import { watchChosen } from "./chosen.js";
import { watchComplete } from "./complete.js";
import { watchExport } from "./export.js";
import { showState, watchFilters } from "./filters.js";
import { keepTabStop, select, watchKeys } from "./keys.js";
import * as list from "./list.js";
import { changed, listRendered, watchLive } from "./live.js";
import { watchPreview } from "./preview.js";
import { watchReading } from "./reading.js";
import { watchRequests, whenReplaced } from "./requests.js";
import { watchScanners } from "./scanner.js";
import { cameUnderPointer, clearStrip, settleStrip, watchPointer } from "./rows.js";

let clockOffset = list.page().rendered - Date.now();
let kept = null;

/** A click anywhere on a row is a click on its link. */
function watchClicks() {
  const rowOf = (event) => event.target.closest?.("tr[data-study]");
  document.addEventListener(
    "click",
    (event) => {
      const row = rowOf(event);
      if (!row) return;
      if (event.detail > 0 && cameUnderPointer(row)) {
        event.preventDefault();
        return;
      }
      select(row);
      const link = list.linkOf(row);
      if (event.target.closest("a, button, input") || String(getSelection())) return;
      if (event.ctrlKey || event.metaKey) open(link.href, "_blank", "noopener");
      else location.assign(link.href);
    },
    { capture: true },
  );
  document.addEventListener("mousedown", (event) => {
    // The middle button would start scrolling.
    if (event.button === 1 && rowOf(event) && !event.target.closest("a")) event.preventDefault();
  });
  document.addEventListener("auxclick", (event) => {
    const row = rowOf(event);
    if (event.button !== 1 || !row || event.target.closest("a")) return;
    open(list.linkOf(row).href, "_blank", "noopener");
  });
}

function replaced(silent) {
  clockOffset = list.page().rendered - Date.now();
  if (!matchStrip() || !silent) clearStrip();
  else settleStrip();
  listRendered();
  showState();
  keepTabStop(kept?.study);
  const focused = kept?.focused && list.rowsOf(kept.study)[0];
  if (focused) list.linkOf(focused).focus({ preventScroll: true });
  if (silent && kept) list.element("scroller").scrollTop = kept.scrollTop;
  kept = null;
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target?.id !== "list") return;
  const row = document.querySelector("tr.is-current");
  kept = {
    study: row?.dataset.study,
    focused: Boolean(row?.contains(document.activeElement)),
    scrollTop: list.element("scroller").scrollTop,
  };
});
whenReplaced(replaced);

matchStrip();
watchChosen();
watchClicks();
watchKeys();
watchFilters();
watchRequests();
watchComplete({ changed });
watchReading({ changed });
watchAppearance();
watchExport();
watchPreview();
watchScanners();
watchPointer();
watchAges(() => clockOffset);
watchLive();
keepTabStop(undefined);
list.element("new-pill").addEventListener("click", () => list.refresh());
list.element("arrived-close").addEventListener("click", clearStrip);
addEventListener("pageshow", (event) => event.persisted && list.refetch());
