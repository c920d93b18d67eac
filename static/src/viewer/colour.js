/** Colour that the decoders don't get right by themselves. */

const clamp = (value) => Math.max(0, Math.min(255, Math.round(value)));

/**
 * Native YBR_FULL_422: two luminances share one pair of chrominances, four bytes for two pixels
 * (PS3.3 C.7.6.3.1.2). Rows hold an even number of columns.
 *
 * @returns {Uint8Array} RGB, three bytes a pixel
 */
export function rgbOfYbr422(bytes) {
  const result = new Uint8Array((bytes.length / 2) * 3);
  let to = 0;
  for (let from = 0; from + 3 < bytes.length; from += 4) {
    const blue = bytes[from + 2] - 128;
    const red = bytes[from + 3] - 128;
    for (const luminance of [bytes[from], bytes[from + 1]]) {
      result[to] = clamp(luminance + 1.402 * red);
      result[to + 1] = clamp(luminance - 0.344136 * blue - 0.714136 * red);
      result[to + 2] = clamp(luminance + 1.772 * blue);
      to += 3;
    }
  }
  return result;
}

/**
 * Where a JPEG stream without a JFIF or Adobe marker begins, -1 if there is none such. Browsers take its
 * three components for YBR; DICOM's PhotometricInterpretation may say RGB.
 */
export function unmarkedJpeg(bytes) {
  const limit = Math.min(bytes.length - 4, 1024);
  let start = 0;
  while (start < limit && !(bytes[start] === 0xff && bytes[start + 1] === 0xd8)) start += 1;
  if (start >= limit) return -1;
  let at = start + 2;
  while (at + 4 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (marker === 0xe0 || marker === 0xee) return -1;
    if (marker === 0xda) return start;
    at += 2 + bytes[at + 2] * 256 + bytes[at + 3];
  }
  return -1;
}

/** The same body with an Adobe marker "no colour transform" put in after the stream's first two bytes. */
export function markRgb(bytes, start) {
  const marker = [0xff, 0xee, 0, 14, 0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, 0];
  const result = new Uint8Array(bytes.length + marker.length);
  result.set(bytes.subarray(0, start + 2));
  result.set(marker, start + 2);
  result.set(bytes.subarray(start + 2), start + 2 + marker.length);
  return result;
}
