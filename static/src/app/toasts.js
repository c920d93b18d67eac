/** A short message in the corner, read out by screen readers. */
export function toast(text, { kind = "", milliseconds = 5000 } = {}) {
  const note = document.createElement("p");
  note.className = `notice ${kind && `notice-${kind}`}`.trim();
  note.textContent = text;
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), milliseconds);
}
