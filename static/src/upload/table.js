/** A list of any length: only the rows that are seen are in the page. */

const ROW = 32;
const BEYOND = 10;

function cell(role, text, className) {
  const made = document.createElement("span");
  made.setAttribute("role", role);
  made.className = className;
  made.textContent = text;
  return made;
}

/**
 * `columns`: `{ title, className, text(item), bidi? }`. `show(items)` takes another list, `refresh()`
 * draws what is seen again; both wait for the next frame.
 */
export function virtualTable(scroller, columns, stateOf) {
  const table = document.createElement("div");
  table.setAttribute("role", "table");
  table.setAttribute("aria-label", scroller.getAttribute("aria-label"));
  table.setAttribute("aria-colcount", columns.length);
  const head = document.createElement("div");
  head.setAttribute("role", "row");
  head.className = "upload-row upload-head";
  head.append(...columns.map(({ title, className }) => cell("columnheader", title, className)));
  const body = document.createElement("div");
  body.setAttribute("role", "rowgroup");
  const above = document.createElement("div");
  const below = document.createElement("div");
  for (const spacer of [above, below]) spacer.setAttribute("aria-hidden", "true");
  const headGroup = document.createElement("div");
  headGroup.setAttribute("role", "rowgroup");
  headGroup.className = "upload-head-group";
  headGroup.append(head);
  table.append(headGroup, body);
  scroller.append(table);
  let items = [];
  let due = false;

  function rowOf(item, index) {
    const row = document.createElement("div");
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", index + 2);
    row.className = "upload-row";
    row.dataset.state = stateOf(item);
    for (const { className, text, bidi } of columns) {
      const words = text(item);
      const made = cell("cell", bidi ? "" : words, className);
      if (bidi) {
        const isolated = document.createElement("bdi");
        isolated.textContent = words;
        made.append(isolated);
      }
      made.title = words;
      row.append(made);
    }
    return row;
  }

  function draw() {
    due = false;
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW) - BEYOND);
    const last = Math.min(
      items.length,
      Math.ceil((scroller.scrollTop + scroller.clientHeight) / ROW) + BEYOND,
    );
    table.setAttribute("aria-rowcount", items.length + 1);
    above.style.height = `${first * ROW}px`;
    below.style.height = `${Math.max(0, items.length - last) * ROW}px`;
    const rows = items.slice(first, last).map((item, at) => rowOf(item, first + at));
    body.replaceChildren(...rows);
    body.before(above);
    body.after(below);
  }

  function refresh() {
    if (due) return;
    due = true;
    requestAnimationFrame(draw);
  }

  scroller.addEventListener("scroll", refresh, { passive: true });
  new ResizeObserver(refresh).observe(scroller);
  return {
    refresh,
    show(wanted) {
      items = wanted;
      refresh();
    },
  };
}
