/** Leaves for the login page, which brings the person back to this page, never to its query. */
export function toLogin() {
  location.assign(`/login/?next=${encodeURIComponent(location.pathname)}`);
}
