import assert from "node:assert/strict";
import { test } from "node:test";

import { colourMaps, layOver } from "../../static/src/viewer/volume/colours.js";
import { uptakeOf } from "../../static/src/viewer/volume/uptake.js";

const colourOf = (map, at) => [...colourMaps[map].colours.slice(3 * at, 3 * at + 3)];

test("hot iron is the standard's", () => {
  // Entries of PS3.6 B.1.1.
  assert.deepEqual(colourOf("hot", 0), [0, 0, 0]);
  assert.deepEqual(colourOf("hot", 64), [128, 0, 0]);
  assert.deepEqual(colourOf("hot", 160), [255, 64, 0]);
  assert.deepEqual(colourOf("hot", 224), [255, 192, 128]);
});

for (const name of Object.keys(colourMaps))
  test(`${name} rises in brightness all the way`, () => {
    const light = (at) => {
      const [r, g, b] = colourOf(name, at).map((value) => (value / 255) ** 2.2);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    for (let at = 4; at < 256; at += 4) assert.ok(light(at) > light(at - 4), String(at));
  });

test("what is laid over: nothing below the window, colours at its opacity within", () => {
  const values = Float32Array.from([Number.NaN, -1, 0, 0.5, 5, 9]);
  const rgba = new Uint8ClampedArray(values.length * 4).fill(100);
  layOver(values, { lower: 0, upper: 10 }, colourMaps.hot.colours, 0.5, rgba);
  const pixel = (at) => [...rgba.slice(4 * at, 4 * at + 4)];
  for (const at of [0, 1, 2]) assert.deepEqual(pixel(at), [100, 100, 100, 100]);
  const [r] = pixel(3);
  assert.ok(r < 100 && r > 70, "fades in");
  assert.deepEqual(pixel(4), [178, 50, 50, 100]);
  const [red, green] = pixel(5);
  assert.deepEqual([red, green], [178, 152]);
});

const pet = (more = {}) => ({
  dataset: {
    "00541001": { Value: ["GML"] },
    ...more,
  },
  window: { center: 5000, width: 10_000 },
});

test("SUV where all images say the same, otherwise their unit and why", () => {
  const suv = uptakeOf([pet(), pet()]);
  assert.deepEqual([suv.unit, suv.factor, suv.why], ["SUV", 1, ""]);
  assert.equal(suv.text(2.5), "SUVbw 2.5 g/ml");
  const plain = uptakeOf([pet({ "00541001": { Value: ["BQML"] } })]);
  assert.equal(plain.unit, "Bq/ml");
  assert.match(plain.why, /^no SUV: /);
  assert.deepEqual(plain.range, { lower: 0, upper: 10_000 });
  const dose = (value) =>
    pet({
      "00541001": { Value: ["BQML"] },
      "00280051": { Value: ["ATTN", "DECY"] },
      "00541102": { Value: ["ADMIN"] },
      "00101030": { Value: [70] },
      "00540016": { Value: [{ "00181074": { Value: [value] }, "00181075": { Value: [6586] } }] },
    });
  assert.equal(uptakeOf([dose(7e8), dose(7e8)]).factor, 1e-4);
  assert.match(uptakeOf([dose(7e8), dose(6e8)]).why, /different doses/);
});
