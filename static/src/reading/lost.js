/** A study that somebody else took over, or that was released: its former reader is told. */
import { notice } from "../app/toasts.js";

/** Shows what became of the study of an event, in the words of the server. */
export async function tellLost(message) {
  if (message.type !== "reading.lost") return;
  let text = "A study that you were reading was released.";
  try {
    const answer = await fetch(`/studies/${message.study}/lost/`, {
      headers: { "X-Background": "1" },
    });
    if (answer.ok) {
      const body = new DOMParser().parseFromString(await answer.text(), "text/html").body;
      text = body.textContent.trim();
    }
  } catch {
    // The plain sentence says enough.
  }
  notice(text, { kind: "warn" });
}
