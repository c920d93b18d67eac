/** The test pattern in exactly the pixels of the display, in the page and over the whole screen. */
import { patternOf } from "./pattern.js";

const byId = (id) => document.getElementById(id);
const canvas = byId("pattern");
let places;

function draw(width, height) {
  if (width < 1 || height < 1 || (canvas.width === width && canvas.height === height && places)) {
    return;
  }
  canvas.width = width;
  canvas.height = height;
  const made = patternOf(width, height);
  ({ places } = made);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const out = new Uint32Array(image.data.buffer);
  for (const [at, level] of made.grey.entries()) {
    out[at] = 0xff000000 | (level << 16) | (level << 8) | level;
  }
  context.putImageData(image, 0, 0);
  const ratio = window.devicePixelRatio || 1;
  byId("pattern-size").textContent =
    `${width} × ${height} pixels of the display, ${Math.round(ratio * 100) / 100} to a CSS pixel`;
  byId("pattern-width").value = width;
  byId("pattern-height").value = height;
  byId("pattern-ratio").value = ratio;
}

function observe() {
  const observer = new ResizeObserver(([entry]) => {
    const [exact] = entry.devicePixelContentBoxSize ?? [];
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = entry.contentRect;
    const counted = [Math.round(width * ratio), Math.round(height * ratio)];
    // Where a display is only pretended the box is in CSS pixels; a real one differs by a pixel.
    const isNear = exact && Math.abs(exact.inlineSize - counted[0]) <= 2;
    draw(...(isNear ? [exact.inlineSize, exact.blockSize] : counted));
  });
  try {
    observer.observe(canvas, { box: "device-pixel-content-box" });
  } catch {
    observer.observe(canvas);
  }
}

async function fullScreen() {
  try {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await canvas.requestFullscreen();
  } catch {
    byId("pattern-size").textContent = "This browser does not allow full screen here.";
  }
}

byId("pattern-full").addEventListener("click", fullScreen);
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "f" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select")) return;
  event.preventDefault();
  fullScreen();
});
observe();
/** For checks: where in the pattern what is. */
window.displayCheck = { places: () => places };
document.documentElement.dataset.page = "ready";
