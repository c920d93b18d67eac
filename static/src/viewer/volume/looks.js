/** How a solid is drawn: colours and opacities by value. Pure. */

/**
 * Each look: `name`, `kind` ("greatest" for the greatest value on each ray, "solid" for surfaces), `colours`
 * [value, red, green, blue] and `opacities` [value, opacity a millimetre], in HU or, `isRelative`, from 0 to 1 of
 * the window of the series.
 */
export const looks = {
  greatest: { name: "MIP", kind: "greatest" },
  bone: {
    name: "CT bone",
    kind: "solid",
    opacities: [
      [130, 0],
      [220, 0.05],
      [400, 0.35],
      [1000, 0.8],
      [3000, 0.9],
    ],
    colours: [
      [130, 0.6, 0.32, 0.24],
      [260, 0.86, 0.68, 0.5],
      [500, 0.95, 0.88, 0.76],
      [1200, 1, 0.98, 0.93],
    ],
  },
  soft: {
    name: "CT soft tissue",
    kind: "solid",
    opacities: [
      [-160, 0],
      [-60, 0.03],
      [10, 0.12],
      [80, 0.25],
      [250, 0.5],
      [1000, 0.8],
    ],
    colours: [
      [-160, 0.8, 0.62, 0.48],
      [-40, 0.84, 0.6, 0.46],
      [40, 0.74, 0.36, 0.28],
      [150, 0.86, 0.5, 0.38],
      [350, 0.95, 0.88, 0.76],
    ],
  },
  lung: {
    name: "CT lung and airways",
    kind: "solid",
    opacities: [
      [-1010, 0],
      [-960, 0],
      [-900, 0.012],
      [-760, 0.03],
      [-600, 0.12],
      [-450, 0.02],
      [-350, 0],
    ],
    colours: [
      [-1000, 0.55, 0.72, 0.85],
      [-850, 0.66, 0.8, 0.9],
      [-600, 0.9, 0.82, 0.76],
      [-350, 0.92, 0.6, 0.5],
    ],
  },
  vessels: {
    name: "CT angiography",
    kind: "solid",
    opacities: [
      [120, 0],
      [170, 0.06],
      [260, 0.35],
      [450, 0.7],
      [3000, 0.8],
    ],
    colours: [
      [120, 0.5, 0.1, 0.08],
      [220, 0.82, 0.22, 0.14],
      [350, 0.93, 0.5, 0.32],
      [600, 0.96, 0.9, 0.8],
    ],
  },
  bright: {
    name: "MR angiography",
    kind: "solid",
    isRelative: true,
    opacities: [
      [0.35, 0],
      [0.55, 0.05],
      [0.8, 0.4],
      [1, 0.75],
    ],
    colours: [
      [0.35, 0.45, 0.1, 0.08],
      [0.7, 0.86, 0.3, 0.2],
      [1, 1, 0.86, 0.72],
    ],
  },
};

const ofCt = ["bone", "soft", "lung", "vessels"];

/** Names of the looks that mean something for a series, the first being what it begins with. */
export function looksOf({ modality, rescaleType = "" }) {
  if (modality === "CT" && ["", "HU"].includes(rescaleType)) return ["greatest", ...ofCt];
  if (modality === "MR") return ["greatest", "bright"];
  return ["greatest"];
}

/**
 * Where a look stands in the values of a series.
 *
 * @param {object} look
 * @param {{lower: number, upper: number}} range the window
 * @param {number} shift of a look in HU, by the reader
 * @param {boolean} isInverted
 */
export function nodesOf(look, { lower, upper }, shift, isInverted) {
  if (look.kind === "greatest") {
    const [dark, bright] = isInverted ? [1, 0] : [0, 1];
    const top = Math.max(upper, lower + 1e-6);
    return {
      colours: [
        [lower, dark, dark, dark],
        [top, bright, bright, bright],
      ],
      opacities: [
        [lower, 1],
        [top, 1],
      ],
    };
  }
  const place = look.isRelative
    ? (value) => lower + value * (upper - lower)
    : (value) => value + shift;
  const put = ([value, ...rest]) => [place(value), ...rest];
  return { colours: look.colours.map(put), opacities: look.opacities.map(put) };
}
