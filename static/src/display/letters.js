/** Letters of five by seven dots: without smoothing, so that each has one grey only. */
const rows = {
  A: "01110 10001 10001 11111 10001 10001 10001",
  C: "01110 10001 10000 10000 10000 10001 01110",
  I: "01110 00100 00100 00100 00100 00100 01110",
  L: "10000 10000 10000 10000 10000 10000 11111",
  N: "10001 11001 10101 10101 10011 10001 10001",
  O: "01110 10001 10001 10001 10001 10001 01110",
  Q: "01110 10001 10001 10001 10101 10010 01101",
  R: "11110 10001 10001 11110 10100 10010 10001",
  T: "11111 00100 00100 00100 00100 00100 00100",
  U: "10001 10001 10001 10001 10001 10001 01110",
  Y: "10001 10001 01010 00100 00100 00100 00100",
};

export const wide = 5;
export const high = 7;

/** The dots of a letter as [column, row]. */
export function dotsOf(letter) {
  return rows[letter]
    .split(" ")
    .flatMap((line, row) =>
      [...line].flatMap((dot, column) => (dot === "1" ? [[column, row]] : [])),
    );
}
