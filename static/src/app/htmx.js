/** htmx, set up by the page's `htmx-config` meta tag; adds what Django and the session need. */
import htmx from "htmx.org";
import { csrfToken } from "./csrf.js";
import { toLogin } from "./login.js";

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRFToken"] = csrfToken();
});

document.addEventListener("htmx:beforeOnLoad", (event) => {
  if (event.detail.xhr.status === 401) {
    event.preventDefault();
    toLogin();
  }
});

export default htmx;
