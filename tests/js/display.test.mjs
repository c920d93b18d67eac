import assert from "node:assert/strict";
import { test } from "node:test";

import { dotsOf } from "../../static/src/display/letters.js";
import { levels, patternOf, words } from "../../static/src/display/pattern.js";

const sizes = [
  [1920, 1080],
  [3840, 2160],
  [2048, 2560],
  [1500, 1500],
  [1024, 700],
];

for (const [width, height] of sizes) {
  test(`the pattern is right at ${width} x ${height}`, () => {
    const { grey, places } = patternOf(width, height);
    const at = (x, y) => grey[y * width + x];
    const middle = ({ x, y, side }) => at(x + Math.floor(side / 2), y + Math.floor(side / 2));
    assert.equal(grey.length, width * height);

    assert.deepEqual(levels.length, 18);
    assert.deepEqual([levels[0], levels[17]], [0, 255]);
    assert.deepEqual(
      places.patches.map(({ level }) => level),
      levels,
    );
    for (const patch of places.patches) {
      const { level, x, y, side, insets } = patch;
      assert.ok(x >= 0 && y >= 0 && x + side <= width && y + side <= height);
      // Between the insets, near the middle of the upper edge.
      assert.equal(at(x + Math.floor(side / 2), y + 1), level);
      for (const inset of insets) assert.equal(middle(inset), inset.level);
    }
    const [black, white] = [places.patches[0], places.patches[17]];
    assert.equal(middle(black), Math.round(0.05 * 255));
    assert.equal(middle(white), Math.round(0.95 * 255));
    assert.deepEqual(
      places.patches[5].insets.map(({ level }) => level - levels[5]),
      [4, -4, -4, 4],
    );

    assert.equal(places.bars.length, 20);
    for (const { pitch, direction, x, y, side } of places.bars) {
      const values = Array.from({ length: side }, (_, step) =>
        direction === "down" ? at(x + step, y + 3) : at(x + 3, y + step),
      );
      assert.deepEqual(
        values,
        Array.from({ length: side }, (_, step) => (Math.floor(step / pitch) % 2 ? 255 : 0)),
      );
      // Along a line nothing changes.
      const along =
        direction === "down" ? at(x, y) === at(x, y + side - 1) : at(x, y) === at(x + side - 1, y);
      assert.ok(along);
    }

    const { ramp } = places;
    for (let level = 0; level < 256; level += 1) {
      assert.equal(at(ramp.x + level * ramp.each, ramp.y + 5), level);
    }

    assert.equal(places.letters.length, 3 * words.length);
    for (const { letter, level, ground, x, y, dot } of places.letters) {
      const [[column, row]] = dotsOf(letter);
      assert.equal(at(x + column * dot, y + row * dot), level);
      assert.equal(at(x - 1, y - 1), ground);
      assert.ok(Math.abs(level - ground) >= 1 && Math.abs(level - ground) <= 14);
    }

    const edges = [at(0, 7), at(width - 1, 7), at(7, 0), at(7, height - 1)];
    assert.deepEqual(edges, [255, 255, 255, 255]);
    const { step, line, x, y } = places.grid;
    assert.ok(line >= 1 && step > 8 * line);
    assert.equal((Math.floor(width / 2) - x) % step, 0);
    assert.equal((Math.floor(height / 2) - y) % step, 0);
  });
}

test("what is drawn does not lie over something else", () => {
  for (const [width, height] of sizes) {
    const { places } = patternOf(width, height);
    const { ramp } = places;
    const boxes = [
      ...places.patches.map(({ x, y, side }) => [x, y, x + side, y + side]),
      ...places.bars.map(({ x, y, side }) => [x, y, x + side, y + side]),
      ...places.letters.map(({ x, y, dot }) => [x, y, x + 5 * dot, y + 7 * dot]),
      [ramp.x, ramp.y, ramp.x + 256 * ramp.each, ramp.y + ramp.height],
    ];
    for (const [at, one] of boxes.entries()) {
      for (const other of boxes.slice(at + 1)) {
        const apart =
          one[2] <= other[0] || other[2] <= one[0] || one[3] <= other[1] || other[3] <= one[1];
        assert.ok(apart, `${width} x ${height}: ${one} and ${other}`);
      }
    }
  }
});
