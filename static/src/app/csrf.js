/** The token that Django wants back with every request that changes something. */
const content = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";

export const csrfToken = () => content("csrf-token");

/**
 * The token of now: the cookie's, which a login in another window renews, or the page's. Who sends it also
 * says whose the page is (`whoseHeaders`), so that nothing is done for the one who logged in.
 *
 * @param {string} cookies as in document.cookie
 */
export function tokenOf(cookies, fallback) {
  return /(?:^|; )lightbox_csrf=([^;]+)/.exec(cookies)?.[1] ?? fallback;
}

/** The number of the user for whom this page was rendered; null where nobody was logged in. */
export const pageUser = () => (content("user") ? Number(content("user")) : null);

/** Token and person of a request that may be asked again after another login. */
export function whoseHeaders() {
  return {
    "X-CSRFToken": tokenOf(document.cookie, csrfToken()),
    "X-Lightbox-User": content("user"),
  };
}
