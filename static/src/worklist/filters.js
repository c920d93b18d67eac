/** The filter bar: every change asks for the list; the free text waits for a pause in typing. */
import * as list from "./list.js";

const TYPING = 250;
let timer = 0;

const isDefault = (field) => ["", "all", "work"].includes(field.value);

/** Shows which filters are set, and the ways to clear them. */
export function showState() {
  const form = list.element("filters");
  for (const select of form.querySelectorAll("select")) {
    const set = select.name === "state" ? select.value !== "work" : !isDefault(select);
    select.parentElement.classList.toggle("is-set", set);
  }
  for (const menu of form.querySelectorAll("details[data-choices]")) {
    const chosen = [...menu.querySelectorAll("input:checked")].map((box) =>
      box.parentElement.textContent.trim(),
    );
    const text = chosen.join(", ") || menu.dataset.choices;
    const summary = menu.querySelector("summary");
    summary.firstElementChild.textContent = text;
    summary.title = text;
    summary.setAttribute("aria-label", `${menu.querySelector("legend").textContent}: ${text}`);
    menu.classList.toggle("is-set", chosen.length > 0);
  }
  list.element("date-range").hidden = form.elements.date.value !== "range";
  const hasText = form.elements.q.value.trim() !== "";
  list.element("clear").hidden = !hasText && !list.page().filtered;
}

function changed(event) {
  const form = list.element("filters");
  if (event.target.name === "q") return;
  showState();
  const range = form.elements.date.value === "range";
  if (event.target.name === "date" && range) {
    form.elements.date_from.focus();
    if (!form.elements.date_from.value && !form.elements.date_to.value) return;
  }
  clearTimeout(timer);
  list.refilter();
}

/** Whether somebody, or the browser, set a filter before this ran: the list does not know of it yet. */
function isAhead(form) {
  return [...form.elements].some((field) => {
    if (field.type === "checkbox") return field.checked !== field.defaultChecked;
    if (field.options) {
      const rendered = [...field.options].find((one) => one.defaultSelected) ?? field.options[0];
      return field.value !== rendered?.value;
    }
    return field.type !== "hidden" && "defaultValue" in field && field.value !== field.defaultValue;
  });
}

export function watchFilters() {
  const form = list.element("filters");
  form.addEventListener("change", changed);
  form.elements.q.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(list.refilter, TYPING);
  });
  form.addEventListener("submit", () => clearTimeout(timer));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-widen]")) return;
    event.preventDefault();
    form.elements.state.value = "all";
    showState();
    list.refilter();
  });
  showState();
  // htmx takes requests once the document is there.
  addEventListener("load", () => isAhead(form) && list.refilter());
}
