/** Who must not be left: each says whether it holds something that is nowhere else. */
const holders = new Set();

/** Keeps the page from leaving while `holds()` is true. */
export function stayWhile(holds) {
  holders.add(holds);
}

export const isHeld = () => [...holders].some((holds) => holds());
