/** Menus of the tool bar: one at a time, above their button, closed by Escape and a click elsewhere. */

const open = () => document.querySelector(".tool-menu:popover-open");

function place(menu, button) {
  const box = button.getBoundingClientRect();
  menu.style.left = `${Math.max(4, Math.min(box.left, innerWidth - menu.offsetWidth - 4))}px`;
  menu.style.bottom = `${innerHeight - box.top + 6}px`;
}

/** Closes the open menu, its button gets the focus back. True where there was one. */
export function closePopup() {
  const menu = open();
  if (!menu) return false;
  const inside = menu.contains(document.activeElement);
  menu.hidePopover();
  if (inside) document.querySelector(`[data-menu="${menu.id}"]`)?.focus();
  return true;
}

function move(menu, by) {
  const items = [...menu.querySelectorAll("button:not(:disabled), input")];
  const at = items.indexOf(document.activeElement);
  items[(at + by + items.length) % items.length]?.focus();
}

/**
 * @param {HTMLElement} button with `data-menu`
 * @param {(menu: HTMLElement) => void} [fill] makes its content before it opens
 */
export function watchPopup(button, fill = () => {}) {
  const menu = document.getElementById(button.dataset.menu);
  button.popoverTargetElement = menu;
  menu.addEventListener("beforetoggle", ({ newState }) => {
    if (newState !== "open") return;
    fill(menu);
    place(menu, button);
  });
  menu.addEventListener("toggle", ({ newState }) => {
    const isOpen = newState === "open";
    button.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) return;
    // Its width is known only now.
    place(menu, button);
    menu.querySelector("button:not(:disabled), input")?.focus();
  });
  menu.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by || event.target.matches("input")) return;
    event.preventDefault();
    event.stopPropagation();
    move(menu, by);
  });
  menu.addEventListener("click", ({ target }) => {
    if (target.closest("button") && !menu.hasAttribute("data-stays")) menu.hidePopover();
  });
}
