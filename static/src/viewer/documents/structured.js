/**
 * Structured reports: the server's page, built anew of what is known to be harmless. Text is text, links lead
 * to images only.
 */
import { RequestError, answer, kindOfStatus } from "../dicomweb.js";
import { make } from "../dom.js";
import { placeOfAddress } from "./places.js";

const kept = new Set(["section", "ul", "li", "dl", "dt", "dd", "b", "i", "span", "br"]);
const heading = /^h([1-6])$/;

/** The server's page of a report. RequestError. */
export async function pageOf(url) {
  const response = await answer(url, "text/html");
  if (!response.ok) throw new RequestError(kindOfStatus(response.status), response.status);
  if (response.redirected) throw new RequestError("session", 401);
  return response.text();
}

function copied(node, context) {
  if (node.nodeType === Node.TEXT_NODE) return document.createTextNode(node.data);
  if (node.nodeType !== Node.ELEMENT_NODE) return null;
  const name = node.localName;
  const children = () => [...node.childNodes].map((child) => copied(child, context));
  const level = heading.exec(name)?.[1];
  if (name === "a") return link(node, context);
  if (!level && !kept.has(name)) return document.createTextNode(node.textContent);
  // The patient is the page's first heading.
  const tag = level ? `h${Math.min(6, Number(level) + 1)}` : name;
  const made = make(
    tag,
    { title: node.getAttribute("title"), dir: node.hasAttribute("dir") ? "auto" : null },
    ...children(),
  );
  if (node.id) context.items.set(node.id, made);
  return made;
}

/** To an image of the study a button that shows it, to another item one that scrolls; else words. */
function link(node, context) {
  const href = node.getAttribute("href") ?? "";
  const words = node.textContent;
  if (href.startsWith("#")) {
    const button = make("button", { type: "button", className: "document-link", text: words });
    button.addEventListener("click", () =>
      context.items.get(href.slice(1))?.scrollIntoView({ block: "center" }),
    );
    return button;
  }
  const place = placeOfAddress(href);
  if (!place || !context.isHere(place)) return document.createTextNode(words);
  const button = make("button", {
    type: "button",
    className: "document-link",
    text: place.frame === undefined ? `Image in ${context.labelOf(place)}` : words,
    title: words,
    data: { sop: place.sop },
  });
  button.addEventListener("click", () => context.jump(place));
  return button;
}

/**
 * @param {string} markup of the server's page
 * @param {object} context
 * @param {(place: object) => boolean} context.isHere whether there is a picture at a place
 * @param {(place: object) => void} context.jump
 * @param {(place: object) => string} context.labelOf its series
 * @returns {HTMLElement}
 */
export function reportOf(markup, { isHere, jump, labelOf }) {
  // A parsed document runs nothing and loads nothing.
  const main = new DOMParser().parseFromString(markup, "text/html").querySelector("main");
  const context = { isHere, jump, labelOf, items: new Map() };
  const children = [...(main?.childNodes ?? [])].map((child) => copied(child, context));
  if (!children.length) throw new RequestError("broken", 200);
  return make("article", { className: "document-report" }, ...children);
}
