/** Requests of the report panel. No answer ever leaves the page: what is typed stays where it is. */
import { whoseHeaders } from "../app/csrf.js";

const TIMEOUT = 20_000;
/** Browsers refuse a keepalive request with more. */
export const KEEPALIVE_BYTES = 60_000;

/** What an answer means: "ok", "session", "conflict", "refused", "invalid", "gone", "error". */
export function kindOf(status) {
  if (status >= 200 && status < 300) return "ok";
  if (status === 401) return "session";
  if (status === 409) return "conflict";
  if (status === 403) return "refused";
  if (status === 404) return "gone";
  if (status === 400 || status === 413 || status === 415) return "invalid";
  return "error";
}

/**
 * Asks the server. Never throws.
 *
 * @returns {Promise<{kind: string, status: number, data: object}>} kind "offline" where no answer came
 */
export async function ask(method, path, body, { leaving = false } = {}) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers = { ...whoseHeaders(), "X-Background": "1" };
  if (text !== undefined) headers["Content-Type"] = "application/json";
  try {
    const answer = await fetch(path, {
      method,
      headers,
      body: text,
      redirect: "error",
      keepalive: leaving && new Blob([text ?? ""]).size < KEEPALIVE_BYTES,
      signal: leaving ? undefined : AbortSignal.timeout(TIMEOUT),
    });
    const json = (answer.headers.get("Content-Type") ?? "").includes("json");
    const data = json ? await answer.json() : {};
    return { kind: kindOf(answer.status), status: answer.status, data };
  } catch {
    return { kind: "offline", status: 0, data: {} };
  }
}

/** The words of an answer that refuses: one sentence, or sentences by the name of a field. */
export function wordsOf(data, otherwise) {
  if (typeof data?.detail === "string") return data.detail;
  const first = Object.values(data ?? {}).flat()[0];
  return typeof first === "string" ? first : otherwise;
}
