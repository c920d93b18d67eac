/** Encapsulated PDFs: pages as the server draws them. */
import { RequestError, answer, kindOfStatus } from "../dicomweb.js";
import { make } from "../dom.js";

const zooms = [0.5, 0.75, 1, 1.5, 2, 3];
const step = 200;
const widest = 4000;
const margin = 32;

/** The sizes of the pages in points; what cannot be shown is `refused` in words. RequestError. */
async function sizesOf(url) {
  const response = await answer(url, "application/json");
  if (response.status === 422) return { refused: (await response.json()).detail };
  if (!response.ok) throw new RequestError(kindOfStatus(response.status), response.status);
  if (response.redirected) throw new RequestError("session", 401);
  return response.json();
}

/** The width that a page is asked for in pixels: in steps, so that small changes ask for nothing. */
export function widthFor(css, scale) {
  return Math.min(widest, Math.max(step, Math.ceil((css * scale) / step) * step));
}

/**
 * @param {string} url of the document's pages
 * @param {HTMLElement} body that scrolls
 * @returns {Promise<{element: HTMLElement, tools: HTMLElement[], refused?: string}>}
 */
export async function pagesOf(url, body) {
  const { pages, refused } = await sizesOf(url);
  if (refused !== undefined || !pages?.length) {
    return { refused: refused || "There are no pages in it." };
  }
  let zoom = zooms.indexOf(1);
  const figures = pages.map(([across, down], at) => {
    const image = make("img", {
      alt: `Page ${at + 1} of ${pages.length}`,
      loading: "lazy",
      decoding: "async",
    });
    image.style.setProperty("aspect-ratio", `${across} / ${down}`);
    const figure = make("figure", { className: "document-page", data: { page: at + 1 } }, image);
    image.addEventListener("error", () => {
      if (!image.getAttribute("src")) return;
      figure.replaceChildren(make("p", { text: `Page ${at + 1} cannot be shown.` }));
    });
    return { image, asked: 0, number: at + 1 };
  });
  const element = make(
    "div",
    { className: "document-pages" },
    ...figures.map(({ image }) => image.parentElement),
  );

  function draw() {
    const css = Math.max(120, (body.clientWidth - margin) * zooms[zoom]);
    element.style.setProperty("--page-width", `${Math.round(css)}px`);
    const width = widthFor(css, window.devicePixelRatio || 1);
    for (const page of figures) {
      if (width <= page.asked) continue;
      page.asked = width;
      page.image.src = `${url}pages/${page.number}/?width=${width}`;
    }
  }

  function change(by) {
    zoom = Math.min(zooms.length - 1, Math.max(0, zoom + by));
    smaller.disabled = zoom === 0;
    larger.disabled = zoom === zooms.length - 1;
    draw();
  }

  const tool = (label, by, icon) => {
    const button = make("button", {
      type: "button",
      className: "viewer-button",
      "aria-label": label,
      title: label,
      text: icon,
    });
    button.addEventListener("click", () => change(by));
    return button;
  };
  const smaller = tool("Smaller", -1, "−");
  const larger = tool("Larger", 1, "+");
  const watch = new ResizeObserver(() => {
    if (element.isConnected) draw();
  });
  watch.observe(body);
  draw();
  return { element, tools: [smaller, larger], close: () => watch.disconnect() };
}
