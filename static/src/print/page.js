/** Every button with `data-print` opens the Print dialog of its document. */
import { watchPrintDialog } from "./dialog.js";

for (const button of document.querySelectorAll("[data-print]")) watchPrintDialog(button);
