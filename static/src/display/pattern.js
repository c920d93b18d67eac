/**
 * A test pattern in the manner of the AAPM's TG18-QC, made for any size: each value is a grey of one device
 * pixel, nothing is smoothed. Pure.
 */
import { dotsOf, high, wide } from "./letters.js";

const background = 128;
const gridLine = 191;
export const words = "QUALITYCONTROL";
/** Greys of the squares: even steps from black to white. */
export const levels = Array.from({ length: 18 }, (_, at) => Math.round((at * 255) / 17));
const [five, ninetyFive] = [13, 242];
const corner = 4;
/** Columns and rows of the squares: along the top, down on the right, back along the bottom, and up. */
const ring = [
  ...[0, 1, 2, 3, 4, 5].map((column) => [column, 0]),
  ...[1, 2, 3].map((row) => [5, row]),
  ...[5, 4, 3, 2, 1, 0].map((column) => [column, 4]),
  ...[3, 2, 1].map((row) => [0, row]),
];

/**
 * @param {number} width of the screen, in device pixels
 * @param {number} height
 * @returns {{grey: Uint8ClampedArray, places: object}} `places`: where what is, in pixels
 */
export function patternOf(width, height) {
  const grey = new Uint8ClampedArray(width * height).fill(background);
  const places = { patches: [], bars: [], ramp: undefined, letters: [], grid: undefined };

  function fill(x, y, across, down, level) {
    const right = Math.min(width, x + across);
    for (let row = Math.max(0, y); row < Math.min(height, y + down); row += 1) {
      grey.fill(level, row * width + Math.max(0, x), row * width + right);
    }
  }

  const cell = Math.max(8, Math.floor(Math.min(width, height) / 20));
  const line = Math.max(1, Math.round(cell / 40));

  // The grid, from the middle, so that it is even on both sides; the frame at the very edge.
  const step = 2 * cell;
  const [middleX, middleY] = [Math.floor(width / 2), Math.floor(height / 2)];
  for (let x = middleX % step; x < width; x += step) fill(x, 0, line, height, gridLine);
  for (let y = middleY % step; y < height; y += step) fill(0, y, width, line, gridLine);
  fill(0, 0, width, line, 255);
  fill(0, height - line, width, line, 255);
  fill(0, 0, line, height, 255);
  fill(width - line, 0, line, height, 255);
  places.grid = { step, line, x: middleX % step, y: middleY % step };

  // The ramp: as many columns for each grey, as far as the width allows.
  const each = Math.max(1, Math.floor((width - 8 * cell) / 256));
  const ramp = { x: Math.floor((width - 256 * each) / 2), y: cell, each, height: 2 * cell };
  for (let level = 0; level < 256; level += 1) {
    fill(ramp.x + level * each, ramp.y, each, ramp.height, level);
  }
  places.ramp = ramp;

  // Squares in a ring about the middle, so that neighbours are one step apart.
  const side = 2 * cell;
  const gap = Math.max(2, Math.floor(cell / 4));
  const left = middleX - 3 * side - Math.floor(2.5 * gap);
  const top = middleY - Math.floor(2.5 * side) - 2 * gap;
  for (const [at, level] of levels.entries()) {
    const [column, row] = ring[at];
    const x = left + column * (side + gap);
    const y = top + row * (side + gap);
    fill(x, y, side, side, level);
    const patch = { level, x, y, side, insets: [] };
    const inset = (value, atX, atY, size) => {
      fill(atX, atY, size, size, value);
      patch.insets.push({ level: value, x: atX, y: atY, side: size });
    };
    if (level === 0 || level === 255) {
      const size = Math.floor(side / 2);
      const middle = Math.floor((side - size) / 2);
      inset(level ? ninetyFive : five, x + middle, y + middle, size);
    } else {
      const size = Math.max(3, Math.floor(side / 5));
      const far = side - size - line;
      inset(level + corner, x + line, y + line, size);
      inset(level - corner, x + far, y + line, size);
      inset(level - corner, x + line, y + far, size);
      inset(level + corner, x + far, y + far, size);
    }
    places.patches.push(patch);
  }

  // Line pairs: one pixel black, one white (the Nyquist frequency), then two and two; across and down.
  const block = 2 * Math.floor(0.6 * cell);
  const reach = 2 * block + gap;
  const bars = (name, x, y) => {
    for (const [at, pitch] of [1, 2].entries()) {
      for (const [turn, direction] of ["down", "across"].entries()) {
        const fromX = x + turn * (block + gap);
        const fromY = y + at * (block + gap);
        for (let row = 0; row < block; row += 1) {
          for (let column = 0; column < block; column += 1) {
            const along = direction === "down" ? column : row;
            const place = (fromY + row) * width + fromX + column;
            grey[place] = Math.floor(along / pitch) % 2 ? 255 : 0;
          }
        }
        places.bars.push({ name, pitch, direction, x: fromX, y: fromY, side: block });
      }
    }
  };
  const near = cell;
  bars("top left", near, near);
  bars("top right", width - near - reach, near);
  bars("bottom left", near, height - near - reach);
  bars("bottom right", width - near - reach, height - near - reach);
  bars("middle", middleX - Math.floor(reach / 2), middleY - Math.floor(reach / 2));

  // Letters that get fainter by one grey each, on black, grey and white.
  const dot = Math.max(1, Math.floor(cell / 14));
  const [stepX, tall] = [(wide + 1) * dot, high * dot];
  const lineHeight = tall + 4 * dot;
  const long = words.length * stepX + 3 * dot;
  const firstY = height - cell - 3 * lineHeight;
  const firstX = middleX - Math.floor(long / 2);
  for (const [at, ground] of [0, background, 255].entries()) {
    const y = firstY + at * lineHeight;
    fill(firstX, y, long, lineHeight, ground);
    for (const [number, letter] of [...words].entries()) {
      const difference = words.length - number;
      const level = ground === 255 ? 255 - difference : ground + difference;
      const x = firstX + 2 * dot + number * stepX;
      for (const [column, row] of dotsOf(letter)) {
        fill(x + column * dot, y + 2 * dot + row * dot, dot, dot, level);
      }
      places.letters.push({ letter, level, ground, x, y: y + 2 * dot, dot });
    }
  }
  return { grey, places };
}
