/** How facts are written on the screen. Nothing here touches the page. */

/** "DOE^Jane^M^Dr" as "DOE, Jane M": family name first, then the given names; never shortened. */
export function personName(value) {
  const [family = "", given = "", middle = ""] = String(value ?? "")
    .split("=")[0]
    .split("^")
    .map((part) => part.trim());
  const first = [given, middle].filter(Boolean).join(" ");
  return [family, first].filter(Boolean).join(", ");
}

/** DA "20261124" as "2026-11-24"; what is no date is shown as it was sent. */
export function date(value) {
  const sent = String(value ?? "").trim();
  const match = /^(\d{4})[.]?(\d{2})[.]?(\d{2})$/.exec(sent);
  return match ? `${match[1]}-${match[2]}-${match[3]}` : sent;
}

/** TM "142501.123" as "14:25:01"; what is no time is shown as it was sent. */
export function time(value) {
  const sent = String(value ?? "").trim();
  const match = /^(\d{2}):?(\d{2}):?(\d{2})?/.exec(sent);
  if (!match) return sent;
  return [match[1], match[2], match[3]].filter(Boolean).join(":");
}

/** A measure without noise: at most `digits` decimals, no trailing zeros. */
export function measure(value, digits = 1) {
  if (!Number.isFinite(value)) return "";
  const rounded = Number(value.toFixed(digits));
  return String(Object.is(rounded, -0) ? 0 : rounded);
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** Window as read by people: whole numbers unless the range is narrow. */
export function windowText({ width, center }) {
  const digits = Math.abs(width) < 10 ? 2 : 0;
  return `W ${measure(width, digits)}  L ${measure(center, digits)}`;
}
