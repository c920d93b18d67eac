/** The viewports of the page: one to sixteen in rows and columns, one of them active. */

export const most = 4;

/** "2x3" for two rows of three. */
export const layoutName = ({ rows, columns }) => `${rows}x${columns}`;

/** Rows and columns of "2x3", undefined for what is no layout. */
export function layoutOf(name) {
  const [, rows, columns] = /^([1-4])x([1-4])$/.exec(name) ?? [];
  return rows ? { rows: Number(rows), columns: Number(columns) } : undefined;
}

/**
 * @param {HTMLElement} container
 * @param {object} options
 * @param {(root: HTMLElement | undefined) => object} options.makeCell `root` is the one that came with the
 *   page, for the first
 * @param {(cell: object, before: object | undefined) => void} options.onActive
 * @param {(layout: {rows: number, columns: number}, isMaximised: boolean) => void} options.onLayout
 */
export function createGrid(container, { makeCell, onActive, onLayout }) {
  // Cells that are no longer shown are kept: a viewport is costly to make.
  const cells = [];
  let layout = { rows: 1, columns: 1 };
  let active;
  let isMaximised = false;

  const count = () => layout.rows * layout.columns;
  const inLayout = () => cells.slice(0, count());

  function add() {
    const cell = makeCell(cells.length ? undefined : container.firstElementChild);
    cells.push(cell);
    for (const kind of ["pointerdown", "wheel"]) {
      cell.root.addEventListener(kind, () => activate(cell), { capture: true, passive: true });
    }
    cell.root.addEventListener("dblclick", (event) => {
      if (event.defaultPrevented || event.target.closest("button, a")) return;
      toggleMaximised();
    });
    return cell;
  }

  function place() {
    const { rows, columns } = isMaximised ? { rows: 1, columns: 1 } : layout;
    container.style.setProperty("--rows", rows);
    container.style.setProperty("--columns", columns);
    container.dataset.layout = layoutName(layout);
    container.classList.toggle("is-maximised", isMaximised);
    container.classList.toggle("is-single", count() === 1);
    for (const [at, cell] of cells.entries()) {
      cell.setNumber(at + 1);
      cell.root.hidden = at >= count() || (isMaximised && cell !== active);
    }
    onLayout(layout, isMaximised);
  }

  function activate(cell) {
    if (cell === active) return;
    const before = active;
    active = cell;
    for (const each of cells) each.setActive(each === cell);
    if (isMaximised) place();
    onActive(cell, before);
  }

  function toggleMaximised() {
    if (count() === 1) return;
    isMaximised = !isMaximised;
    place();
  }

  return {
    get active() {
      return active;
    },
    get layout() {
      return layout;
    },
    get isMaximised() {
      return isMaximised;
    },
    /** Those of the layout, from left to right and from top to bottom. */
    cells: inLayout,
    /** Those on the screen. */
    visible: () => inLayout().filter(({ root }) => !root.hidden),
    activate,
    toggleMaximised,
    /**
     * Shows so many rows and columns. The active viewport stays; what no longer has a place is emptied.
     *
     * @returns {object[]} the viewports that came to it, empty
     */
    setLayout(next) {
      layout = next;
      isMaximised = false;
      const at = cells.indexOf(active);
      if (at >= count()) {
        [cells[at], cells[count() - 1]] = [cells[count() - 1], cells[at]];
        container.append(...cells.map(({ root }) => root));
      }
      const fresh = [];
      while (cells.length < count()) {
        const cell = add();
        if (!cell.root.isConnected) container.append(cell.root);
        cell.empty();
        fresh.push(cell);
      }
      for (const cell of cells.slice(count())) cell.empty();
      if (!active) activate(cells[0]);
      place();
      return fresh;
    },
    /** Makes the viewport `step` places on the active one, around the end. */
    step(step) {
      const all = inLayout();
      activate(all[(all.indexOf(active) + step + all.length) % all.length]);
    },
  };
}
