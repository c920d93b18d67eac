/** How a picture lies on the screen: turned, mirrored, pixel for pixel. */
import { Enums } from "@cornerstonejs/core";

import { screenDirections } from "./orientation.js";
import { aligned, laidOut, mirroredDown, rotationOf, turnedRight } from "./turns.js";

const { InterpolationType } = Enums;
const upright = Object.freeze({ up: [0, 1], isMirrored: false });

const sum = (a, x, b, y) => a.map((one, axis) => one * x + b[axis] * y);
const dot = (a, b) => a.reduce((total, one, axis) => total + one * b[axis], 0);

/**
 * @param {object} viewport a stack viewport. It says itself how a picture lies, and carries that on to the
 *   next picture in its own way: what the reader wants is kept here, and set again where they differ.
 */
export function createTurning(viewport) {
  let lies = upright;
  let isSmooth = true;

  function apply() {
    const data = viewport.getImageData();
    if (!data) return;
    const { direction } = data;
    const row = Array.from(direction.slice(0, 3));
    const up = Array.from(direction.slice(3, 6), (value) => -value);
    const wanted = sum(row, lies.up[0], up, lies.up[1]);
    if (viewport.getCamera().flipHorizontal !== lies.isMirrored) {
      // A flip may leave the other flip standing: both are said.
      viewport.setCamera({ flipHorizontal: lies.isMirrored, flipVertical: false });
    }
    if (dot(viewport.getCamera().viewUp, wanted) < 0.9999) viewport.setCamera({ viewUp: wanted });
  }

  function set(next) {
    lies = next;
    apply();
    viewport.render();
  }

  /** Device pixels that a pixel of the picture takes, across the screen. */
  function perPixel() {
    const data = viewport.getImageData();
    if (!data) return undefined;
    const camera = viewport.getCamera();
    const height = viewport.getCanvas().height;
    const { right } = screenDirections(camera);
    const row = Array.from(data.direction.slice(0, 3));
    const across = Math.abs(dot(right, row)) > 0.5 ? data.spacing[0] : data.spacing[1];
    return (across * height) / (2 * camera.parallelScale);
  }

  return {
    apply,
    perPixel,
    /** Forgets how the picture was turned: the viewport shows it upright. */
    forget() {
      lies = upright;
    },
    /** As a presentation state lays it out. */
    layOut(rotation, isFlipped) {
      lies = laidOut(rotation, isFlipped);
      apply();
    },
    /** How it lies, as a presentation state says it. */
    rotation: () => rotationOf(lies),
    /** Shows a part: left, top, right and bottom edges in pixels from the corner of the first (PS3.3 C.10.4). */
    showArea({ edges: [left, top, right, bottom], fits, magnification }) {
      const data = viewport.getImageData();
      if (!data) return;
      const { imageData, spacing } = data;
      const camera = viewport.getCamera();
      const { width, height } = viewport.getCanvas();
      const [, , slice] = imageData.worldToIndex(camera.focalPoint);
      const middle = [(left + right - 1) / 2, (top + bottom - 1) / 2, slice];
      const focalPoint = imageData.indexToWorld(middle);
      const sides = [(right - left) * spacing[0], (bottom - top) * spacing[1]];
      const [across, down] = Math.abs(lies.up[0]) > 0.5 ? [...sides].reverse() : sides;
      const move = sum(focalPoint, 1, camera.focalPoint, -1);
      viewport.setCamera({
        focalPoint: Array.from(focalPoint),
        position: sum(camera.position, 1, move, 1),
        parallelScale: fits
          ? Math.max(down, (across * height) / width) / 2
          : (Math.min(spacing[0], spacing[1]) * height) / 2 / magnification,
      });
    },
    turnRight: () => set(turnedRight(lies)),
    turnLeft: () => set(turnedRight(turnedRight(turnedRight(lies)))),
    mirrorAcross: () => set({ ...lies, isMirrored: !lies.isMirrored }),
    mirrorDown: () => set(mirroredDown(lies)),

    /** One pixel of the picture on one of the screen, neither between two. */
    oneToOne() {
      const data = viewport.getImageData();
      if (!data) return;
      const { imageData, spacing } = data;
      const camera = viewport.getCamera();
      const canvas = viewport.getCanvas();
      const [column, row, slice] = imageData.worldToIndex(camera.focalPoint);
      const isAside = Math.abs(lies.up[0]) > 0.5;
      const [across, down] = isAside
        ? [canvas.height, canvas.width]
        : [canvas.width, canvas.height];
      const focalPoint = imageData.indexToWorld([
        aligned(column, across),
        aligned(row, down),
        slice,
      ]);
      const move = sum(focalPoint, 1, camera.focalPoint, -1);
      viewport.setCamera({
        focalPoint: Array.from(focalPoint),
        position: sum(camera.position, 1, move, 1),
        parallelScale: (Math.min(spacing[0], spacing[1]) * canvas.height) / 2,
      });
      viewport.render();
    },

    get isSmooth() {
      return isSmooth;
    },
    /** Smooth between pixels, or each pixel as a square of its own. */
    setSmooth(now) {
      isSmooth = now;
      viewport.setProperties({
        interpolationType: now ? InterpolationType.LINEAR : InterpolationType.NEAREST,
      });
      viewport.render();
    },
  };
}
