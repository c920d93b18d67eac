/** What the pixels of a region say. Pure: a pixel counts where its centre is inside. */

/** Places where a horizontal line at `y` crosses a closed line, from left to right. */
function crossings(points, y) {
  const found = [];
  points.forEach(([x1, y1], at) => {
    const [x2, y2] = points[(at + 1) % points.length];
    if (y1 <= y !== y2 <= y) found.push(x1 + ((y - y1) * (x2 - x1)) / (y2 - y1));
  });
  return found.sort((a, b) => a - b);
}

/** The stretches of a row that are inside: pairs of columns, no whole numbers. */
function stretches(tool, points, y) {
  if (tool === "freehand") return crossings(points, y);
  const [[x1, y1], [x2, y2]] = points;
  const [left, right, top, bottom] = [
    Math.min(x1, x2),
    Math.max(x1, x2),
    Math.min(y1, y2),
    Math.max(y1, y2),
  ];
  if (y < top || y > bottom) return [];
  if (tool === "rectangle") return [left, right];
  const height = (bottom - top) / 2;
  const from = height ? (y - (top + bottom) / 2) / height : 0;
  const half = ((right - left) / 2) * Math.sqrt(Math.max(0, 1 - from * from));
  return [(left + right) / 2 - half, (left + right) / 2 + half];
}

/**
 * Calls `each(index)` for every pixel whose centre is inside.
 *
 * @param {"rectangle" | "ellipse" | "freehand"} tool
 * @param {number[][]} points
 */
export function eachInside(tool, points, { rows, columns }, each) {
  const down = points.map(([, y]) => y);
  const first = Math.max(0, Math.ceil(Math.min(...down)));
  const last = Math.min(rows - 1, Math.floor(Math.max(...down)));
  for (let row = first; row <= last; row += 1) {
    const ends = stretches(tool, points, row);
    for (let at = 0; at + 1 < ends.length; at += 2) {
      // Where two stretches meet on a pixel's centre it counts once.
      const end = tool === "freehand" ? Math.ceil(ends[at + 1]) - 1 : Math.floor(ends[at + 1]);
      const to = Math.min(columns - 1, end);
      for (let column = Math.max(0, Math.ceil(ends[at])); column <= to; column += 1) {
        each(row * columns + column);
      }
    }
  }
}

/**
 * Mean, standard deviation (of all pixels: divided by their number), smallest and largest value.
 *
 * @param {{rows: number, columns: number, values: ArrayLike<number>}} pixels one sample a pixel
 * @param {{from: number, to: number}} [padding] values that are no picture
 * @returns {{count: number, mean: number, sd: number, min: number, max: number} | undefined} undefined where no
 *   pixel is inside
 */
export function statisticsOf(tool, points, pixels, padding) {
  let count = 0;
  let mean = 0;
  let squares = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  const { values } = pixels;
  eachInside(tool, points, pixels, (index) => {
    const value = values[index];
    if (!Number.isFinite(value)) return;
    if (padding && value >= padding.from && value <= padding.to) return;
    count += 1;
    const off = value - mean;
    mean += off / count;
    squares += off * (value - mean);
    if (value < min) min = value;
    if (value > max) max = value;
  });
  return count ? { count, mean, sd: Math.sqrt(squares / count), min, max } : undefined;
}

/** The samples of the pixel that a point is in; undefined outside of the picture. */
export function samplesAt([x, y], { rows, columns, samplesPerPixel, values }) {
  const [column, row] = [Math.round(x), Math.round(y)];
  if (column < 0 || row < 0 || column >= columns || row >= rows) return undefined;
  const first = (row * columns + column) * samplesPerPixel;
  return Array.from({ length: samplesPerPixel }, (_, at) => values[first + at]);
}
