/** Pictures that the server makes (PS3.18 10.4.1.1.3): what no decoder of the browser can show. */
import { imageLoader, utilities } from "@cornerstonejs/core";

import { RequestError, request } from "./dicomweb.js";

export const renderedScheme = "rendered";

/** Red, green and blue of a PNG, as the server wrote them. */
async function pixelsOf(blob) {
  const bitmap = await createImageBitmap(blob, {
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
  const { width: columns, height: rows } = bitmap;
  const canvas = new OffscreenCanvas(columns, rows);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, columns, rows);
  const pixels = new Uint8Array(rows * columns * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    pixels[to] = data[from];
    pixels[to + 1] = data[from + 1];
    pixels[to + 2] = data[from + 2];
  }
  return { rows, columns, pixels };
}

async function load(imageId, signal, sized) {
  const url = imageId.slice(renderedScheme.length + 1);
  const response = await request(url, "image/png", { signal });
  let picture;
  try {
    picture = await pixelsOf(await response.blob());
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestError("broken", 200);
  }
  const { rows, columns, pixels } = picture;
  const { spacing } = sized(imageId, { rows, columns });
  return {
    imageId,
    rows,
    columns,
    height: rows,
    width: columns,
    rowPixelSpacing: spacing.row,
    columnPixelSpacing: spacing.column,
    color: true,
    rgba: false,
    numberOfComponents: 3,
    dataType: "Uint8Array",
    minPixelValue: 0,
    maxPixelValue: 255,
    slope: 1,
    intercept: 0,
    invert: false,
    windowWidth: 256,
    windowCenter: 128,
    voiLUTFunction: "LINEAR",
    curve: { shape: "LINEAR", range: { lower: 0, upper: 255 }, greys: [0, 1] },
    sizeInBytes: pixels.byteLength,
    imageFrame: { photometricInterpretation: "RGB", pixelData: pixels },
    voxelManager: utilities.VoxelManager.createImageVoxelManager({
      scalarData: pixels,
      width: columns,
      height: rows,
      numberOfComponents: 3,
    }),
    getPixelData: () => pixels,
    getCanvas: undefined,
  };
}

/**
 * @param {(imageId: string, size: {rows: number, columns: number}) => object} sized notes the size that the
 *   server chose and gives the frame as it is then
 */
export function initRendered(sized) {
  imageLoader.registerImageLoader(renderedScheme, (imageId) => {
    const abort = new AbortController();
    return {
      promise: load(imageId, abort.signal, sized),
      cancelFn: () => abort.abort(),
    };
  });
}
