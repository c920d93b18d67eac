/** The list as a file: the filters are sent as a form, so that the browser saves the answer. */
import { toast } from "../app/toasts.js";
import * as list from "./list.js";

const TOO_MANY =
  "More than 10,000 studies match. Narrow the filters, then export again. Nothing was exported.";

export function watchExport() {
  const button = list.element("export");
  button.addEventListener("click", () => {
    const count = list.element("list-count").dataset.count;
    if (count === "") return toast(TOO_MANY, { kind: "warn", milliseconds: 8000 });
    const form = document.createElement("form");
    form.method = "post";
    form.action = button.dataset.path;
    form.hidden = true;
    for (const [name, value] of new FormData(list.element("filters"))) {
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = name;
      field.value = value;
      form.append(field);
    }
    document.body.append(form);
    form.submit();
    form.remove();
    return toast("The list is being saved as a file. It holds patients' names: keep it safe.");
  });
  list.element("print-list").addEventListener("click", () => window.print());
}
