/** `00:12` hours and minutes, from two days on `3 d`: as the server writes it. */
export function waited(milliseconds) {
  const minutes = Math.max(0, Math.floor(milliseconds / 60_000));
  if (minutes >= 48 * 60) return `${Math.floor(minutes / 1440)} d`;
  const two = (value) => String(value).padStart(2, "0");
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** Keeps the waiting times of the page; `offset` is the server's clock minus ours. */
export function watchAges(offset) {
  const refresh = () => {
    for (const age of document.querySelectorAll("[data-age]")) {
      const received = Number(age.closest("tr").dataset.received);
      const text = waited(Date.now() + offset() - received);
      if (age.textContent !== text) age.textContent = text;
    }
  };
  setInterval(refresh, 15_000);
}
