/** What pages ask of reading: answers as `{ status, answer }`; status 0 is no answer at all. */
import { csrfToken } from "../app/csrf.js";
import { toLogin } from "../app/login.js";

async function ask(method, path, body, headers = {}) {
  try {
    const answered = await fetch(path, {
      method,
      headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken(), ...headers },
      body: body && JSON.stringify(body),
    });
    if (answered.status === 401) toLogin();
    const isJSON = answered.headers.get("Content-Type")?.includes("json");
    return { status: answered.status, answer: isJSON ? await answered.json() : {} };
  } catch {
    return { status: 0, answer: {} };
  }
}

const of = (study) => `/api/studies/${study}`;
export const claim = (study) => ask("POST", `${of(study)}/claim/`);
export const release = (study) => ask("DELETE", `${of(study)}/claim/`);
export const takeOver = (study) => ask("POST", `${of(study)}/take-over/`);
/** The reader is at work; not an activity that keeps the session. */
export const seen = (study) =>
  ask("POST", `${of(study)}/seen/`, undefined, { "X-Background": "1" });
export const nextUnread = (wanted) => ask("POST", "/api/studies/next-unread/", wanted);

/** The words for what did not work. */
export function trouble({ status, answer }) {
  if (!status) return "The portal could not be reached. Nothing was changed.";
  if (status === 404) return "This study is no longer shown to you.";
  return answer.detail ?? `The portal answered with an error (${status}). Nothing was changed.`;
}
