/** Segments over the picture of a viewport. */
import { make, write } from "../dom.js";
import { cornersOn, framesOn } from "./list.js";
import { shareOf, valuesOf } from "./masks.js";

/** A frame in the colour of its segment, as opaque as its share of each pixel. */
function painted(bytes, segment, segmentation) {
  const { rows, columns } = segmentation;
  const values = valuesOf(bytes, segmentation);
  const canvas = new OffscreenCanvas(columns, rows);
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const [red, green, blue] = segment.colour;
  for (let at = 0; at < values.length; at += 1) {
    const share = shareOf(values[at], segment.number, segmentation);
    if (share) image.data.set([red, green, blue, Math.round(255 * share)], 4 * at);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/**
 * @param {HTMLElement} root of the cell
 * @param {HTMLElement} element of its viewport
 */
export function createSegmentLayer(root, element) {
  const canvas = make("canvas", { className: "segment-layer", "aria-hidden": "true" });
  element.after(canvas);
  const badge = make("span", {
    className: "badge badge-warn",
    hidden: true,
    data: { part: "segments" },
  });
  root.querySelector(".badges").prepend(badge);
  /** Of the frames on the screen, by segmentation, frame and segment. */
  let pictures = new Map();
  /** What lies on the picture: of which segmentation which frame as which segment. */
  let parts = [];
  let failed = [];
  let turn = 0;
  let study;
  let shown;
  let key = "";
  let toCanvas;
  const followed = new WeakSet();

  function wipe() {
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    delete canvas.dataset.segments;
  }

  function say(words) {
    badge.hidden = !words;
    write(badge, words);
  }

  /** What of the segments that are chosen lies on the picture, frame by frame. */
  function wanted() {
    return study.segments
      .shown()
      .flatMap(({ segmentation, segments }) =>
        framesOn(segmentation, shown.frame).flatMap((frame) =>
          segments
            .filter(({ number }) => frame.segment === undefined || frame.segment === number)
            .map((segment) => ({ segmentation, frame, segment })),
        ),
      );
  }

  function draw() {
    const scale = window.devicePixelRatio || 1;
    const size = [element.clientWidth, element.clientHeight].map((side) =>
      Math.round(side * scale),
    );
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    wipe();
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.globalAlpha = study.segments.opacity;
    const before = pictures;
    pictures = new Map();
    const unplaced = new Set();
    let count = 0;
    for (const { segmentation, frame, segment } of parts) {
      const bytes = study.segments.masksOf(segmentation).here(frame.number);
      const corners = cornersOn(segmentation, frame, shown.frame);
      if (!corners) unplaced.add(segmentation.name);
      if (!bytes || !corners) continue;
      const part = `${segmentation.uid} ${frame.number} ${segment.number}`;
      const picture = before.get(part) ?? painted(bytes, segment, segmentation);
      pictures.set(part, picture);
      const [[x, y], [right, rightY], [bottom, bottomY]] = corners.map(toCanvas);
      const { rows, columns } = segmentation;
      context.setTransform(
        (scale * (right - x)) / columns,
        (scale * (rightY - y)) / columns,
        (scale * (bottom - x)) / rows,
        (scale * (bottomY - y)) / rows,
        scale * x,
        scale * y,
      );
      context.drawImage(picture, 0, 0);
      count += 1;
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    if (count) canvas.dataset.segments = String(count);
    if (failed.length) say(`Could not be loaded: ${failed.join(", ")}`);
    else say(unplaced.size ? `Not placed on this image: ${[...unplaced].join(", ")}` : "");
  }

  /** Another picture, or other segments. */
  async function update() {
    const mine = (turn += 1);
    if (!shown) return;
    const { segments } = study;
    parts = wanted();
    failed = [];
    draw();
    const byObject = new Map();
    for (const { segmentation, frame } of parts) {
      const numbers = byObject.get(segmentation) ?? new Set();
      byObject.set(segmentation, numbers.add(frame.number));
    }
    const loads = [...byObject].map(async ([segmentation, numbers]) => {
      try {
        await segments.masksOf(segmentation).load([...numbers]);
        return "";
      } catch {
        return segmentation.name;
      }
    });
    const names = (await Promise.all(loads)).filter(Boolean);
    if (mine !== turn) return;
    failed = names;
    draw();
    for (const { segmentation } of failed.length ? [] : segments.shown()) {
      const numbers = segmentation.frames.map(({ number }) => number);
      segments.masksOf(segmentation).prefetch(numbers);
    }
  }

  return {
    /** A picture of a study is on the screen, or lies there otherwise: `place` says where its pixels are. */
    shown(nextStudy, next, place) {
      const nextKey = `${nextStudy.id} ${next.frame.sopInstanceUID} ${next.frame.frame}`;
      const isSame = shown && key === nextKey;
      [study, shown, key, toCanvas] = [nextStudy, next, nextKey, place];
      if (!followed.has(study)) {
        followed.add(study);
        const own = study;
        own.segments.subscribe(() => study === own && update());
      }
      if (!isSame) update();
      else if (parts.length) draw();
    },
    hidden() {
      turn += 1;
      shown = undefined;
      parts = [];
      failed = [];
      pictures = new Map();
      wipe();
      say("");
    },
  };
}
