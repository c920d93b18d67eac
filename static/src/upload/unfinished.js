/** What was still to be sent when this tab was reloaded: numbers only, nothing of a patient. */

const KEY = "lightbox-upload";

/** `{ site, left }`, while files are being sent. */
export function remember(found) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(found));
  } catch {
    // Storage may be switched off: then the page cannot tell.
  }
}

export function forget() {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // As above.
  }
}

/** What an earlier page of this tab left, or null. */
export function remembered() {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY));
    return found?.left > 0 ? found : null;
  } catch {
    return null;
  }
}
