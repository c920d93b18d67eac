/** A short message in the corner, read out by screen readers. */
export function toast(text, { kind = "", milliseconds = 5000 } = {}) {
  const note = document.createElement("p");
  note.className = `notice ${kind && `notice-${kind}`}`.trim();
  note.textContent = text;
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), milliseconds);
}

/** A message that must not be missed: it stays until it is closed. */
export function notice(text, { kind = "" } = {}) {
  const note = document.createElement("div");
  note.className = `notice ${kind && `notice-${kind}`}`.trim();
  const words = document.createElement("span");
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => note.remove());
  note.append(words, close);
  document.getElementById("toasts").append(note);
}
