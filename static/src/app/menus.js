/** Menus are details elements: one open at a time, closed by Escape and by a click elsewhere. */
const open = () => document.querySelectorAll("details.menu[open]");

/** Closes the open menus. True where there was one. */
export function closeMenus() {
  const menus = [...open()];
  for (const menu of menus) {
    const inside = menu.contains(document.activeElement);
    menu.open = false;
    if (inside) menu.querySelector("summary").focus();
  }
  return menus.length > 0;
}

export function watchMenus() {
  document.addEventListener("click", (event) => {
    for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && closeMenus()) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  });
}
