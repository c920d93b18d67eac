/** Colour maps of what is laid over another series, and how it is mixed. Pure. */

/** 256 colours through evenly spaced ones. */
function through(anchors) {
  const map = new Uint8Array(256 * 3);
  for (let at = 0; at < 256; at += 1) {
    const place = (at / 255) * (anchors.length - 1);
    const below = Math.min(anchors.length - 2, Math.floor(place));
    for (let channel = 0; channel < 3; channel += 1) {
      const [a, b] = [anchors[below][channel], anchors[below + 1][channel]];
      map[3 * at + channel] = Math.round(a + (place - below) * (b - a));
    }
  }
  return map;
}

/** Hot Iron (PS3.6 B.1.1). */
function hotIron() {
  const map = new Uint8Array(256 * 3);
  for (let at = 0; at < 256; at += 1) {
    map[3 * at] = Math.min(255, 2 * at);
    map[3 * at + 1] = Math.max(0, Math.min(255, 2 * (at - 128)));
    map[3 * at + 2] = Math.max(0, Math.min(255, 4 * (at - 192)));
  }
  return map;
}

/** Rises in brightness alone as well as in hue: told apart with any colour vision. */
const viridis = [
  [68, 1, 84],
  [72, 36, 117],
  [65, 68, 135],
  [53, 95, 141],
  [42, 120, 142],
  [33, 145, 140],
  [34, 168, 132],
  [68, 191, 112],
  [122, 209, 81],
  [189, 223, 38],
  [253, 231, 37],
];

export const colourMaps = {
  hot: { name: "Hot iron", colours: hotIron() },
  viridis: { name: "Viridis (for any colour vision)", colours: through(viridis) },
};

/** What is this near to the lower end fades out, so that where nothing is taken up the picture below is seen. */
const FADE = 0.12;

/**
 * Lays values over an RGBA picture.
 *
 * @param {Float32Array} values NaN where there is nothing
 * @param {{lower: number, upper: number}} range of the colours
 * @param {Uint8Array} colours
 * @param {number} opacity from 0 to 1
 */
export function layOver(values, { lower, upper }, colours, opacity, rgba) {
  const scale = 1 / Math.max(1e-9, upper - lower);
  for (let at = 0, to = 0; at < values.length; at += 1, to += 4) {
    const part = (values[at] - lower) * scale;
    if (!(part > 0)) continue;
    const from = 3 * Math.min(255, Math.round(part * 255));
    const weight = part < FADE ? (opacity * part) / FADE : opacity;
    for (let channel = 0; channel < 3; channel += 1)
      rgba[to + channel] += weight * (colours[from + channel] - rgba[to + channel]);
  }
}
