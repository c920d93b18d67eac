/** The words for an answer of this status; 0 is no answer at all. */
export function words(status) {
  if (!status)
    return "The portal could not be reached, so the list was not loaded. What you see is the list from before.";
  if (status === 403) return "The portal refused the request. Reload the page, then try again.";
  if (status === 429) return "Too many requests at once. Wait a moment, then try again.";
  return `The list could not be loaded: the portal answered with an error (${status}). What you see is the list from before.`;
}
