/** `00:12` hours and minutes, from two days on `3 d`: as the server writes it. */
export function waited(milliseconds) {
  const minutes = Math.max(0, Math.floor(milliseconds / 60_000));
  if (minutes >= 48 * 60) return `${Math.floor(minutes / 1440)} d`;
  const two = (value) => String(value).padStart(2, "0");
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** The part of the time after which a study is said to be due soon, as studies.reading.clocks has it. */
const SOON = 0.75;
const WORDS = { over: "overdue", soon: "due soon", "": "" };

/** `over`, `soon` or nothing: how a study stands that came at `received` and is due at `due`. */
export function standing(now, received, due) {
  if (!due) return "";
  if (now >= due) return "over";
  return due - now <= (due - received) * (1 - SOON) ? "soon" : "";
}

function show(age, now) {
  const { received, due } = age.closest("tr").dataset;
  const text = waited(now - Number(received));
  if (age.textContent !== text) age.textContent = text;
  const clock = age.closest("[data-clock]");
  const state = standing(now, Number(received), Number(due));
  if (clock && clock.dataset.clock !== state) {
    clock.dataset.clock = state;
    clock.querySelector(".unseen").textContent = WORDS[state];
  }
}

/** Keeps the waiting times of the page; `offset` is the server's clock minus ours. */
export function watchAges(offset) {
  const refresh = () => {
    for (const age of document.querySelectorAll("[data-age]")) show(age, Date.now() + offset());
  };
  setInterval(refresh, 15_000);
}
