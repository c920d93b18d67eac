/**
 * Turning and mirroring. Pure. `up` is what is up on the screen, in rows and columns of the picture: [1, 0] is
 * the way of a row, [0, 1] against a column (upright).
 */

/** A quarter turn clockwise: what was left is up. */
export function turnedRight({ up: [along, against], isMirrored }) {
  return { up: isMirrored ? [against, -along] : [-against, along], isMirrored };
}

/** As a presentation state says: turned clockwise by so many degrees, then flipped (PS3.3 C.10.6). */
export function laidOut(rotation, isMirrored) {
  let lies = { up: [0, 1], isMirrored: false };
  for (let turned = 0; turned < rotation; turned += 90) lies = turnedRight(lies);
  return { up: lies.up.map((value) => value || 0), isMirrored };
}

/** The opposite: degrees clockwise, and whether it is flipped after that. */
export function rotationOf({ up: [along, against], isMirrored }) {
  const quarter = (Math.round(Math.atan2(-along, against) / (Math.PI / 2)) + 4) % 4;
  return { rotation: 90 * quarter, isFlipped: isMirrored };
}

/** Upside down as in water: mirrored, and turned by half. */
export function mirroredDown({ up: [along, against], isMirrored }) {
  return { up: [-along || 0, -against || 0], isMirrored: !isMirrored };
}

/**
 * The pixel that lies in the middle of `room` device pixels so that the edges of pixels are edges of device
 * pixels: nearest to `pixel`, counted from the middle of the first.
 */
export function aligned(pixel, room) {
  const share = (((room / 2 - 0.5) % 1) + 1) % 1;
  return Math.round(pixel - share) + share;
}
