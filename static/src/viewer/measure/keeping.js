/** What is not on the server yet: said, kept in this tab, sent by itself once that is possible. */
import { stayWhile } from "../../app/holding.js";
import { write } from "../dom.js";

/**
 * @param {HTMLElement} root holds words and a link to log in
 * @param {object} store
 */
export function watchKeeping(root, store) {
  const [words, link] = [root.querySelector("[data-words]"), root.querySelector("a")];
  let wasOver = false;

  store.subscribe(() => {
    const waits = store.hasPending() && store.trouble !== "";
    root.hidden = !waits;
    link.hidden = store.trouble !== "session";
    write(words, waits ? store.words : "");
    if (wasOver && !store.hasPending()) document.dispatchEvent(new CustomEvent("session-back"));
    wasOver = store.trouble === "session";
  });
  stayWhile(() => store.hasPending());
  document.addEventListener("session-unlocked", () => store.retry());
  window.addEventListener("beforeunload", (event) => {
    if (store.hasPending()) event.preventDefault();
  });
}
