/**
 * A picture that the server drew, shown while the images themselves are still on their way: over slow
 * lines it is there in a fraction of the time. It is marked as what it is, and the picture takes its place.
 */
import { make } from "./dom.js";

/** Milliseconds that the picture itself may take before a preview is asked for. */
const PATIENCE = 250;
const QUALITY = 80;

/**
 * Where the server draws a frame, as large as the screen can show.
 *
 * @param {string} frameURL of the frame's pixels, or of its picture
 * @param {{width: number, height: number, scale: number}} room in CSS pixels, and device pixels to one
 */
export function previewURL(frameURL, { width, height, scale }) {
  const side = (length) => Math.max(64, Math.min(2048, Math.round(length * scale)));
  const place = frameURL.replace(/\/rendered$/, "");
  return `${place}/rendered?viewport=${side(width)},${side(height)}&quality=${QUALITY}`;
}

/** @param {HTMLElement} viewport the element that it covers */
export function createPreview(viewport) {
  const picture = make("img", { className: "preview-picture", alt: "" });
  picture.dataset.preview = "";
  const badge = make("p", { className: "preview-badge", text: "Preview – the image is loading" });
  const layer = make("div", { className: "preview" }, picture, badge);
  layer.hidden = true;
  viewport.after(layer);
  let timer;

  picture.addEventListener("load", () => {
    if (!picture.getAttribute("src")) return;
    picture.dataset.shownAt = String(performance.now());
    layer.hidden = false;
  });

  return {
    /** A frame was asked for. */
    expect(frameURL) {
      this.clear();
      timer = setTimeout(() => {
        const { clientWidth: width, clientHeight: height } = viewport;
        if (!width || !height) return;
        picture.src = previewURL(frameURL, { width, height, scale: window.devicePixelRatio || 1 });
      }, PATIENCE);
    },

    /** The picture itself is there, or something else was asked for. */
    clear() {
      clearTimeout(timer);
      layer.hidden = true;
      picture.removeAttribute("src");
    },
  };
}
