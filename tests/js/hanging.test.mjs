import assert from "node:assert/strict";
import { test } from "node:test";

import {
  facesAway,
  fits,
  frameIn,
  lateralityOf,
  matched,
  placed,
  rulesFrom,
  viewOf,
} from "../../static/src/viewer/hanging.js";

const element = (...values) => ({ Value: values });
const series = (uid, more) => ({
  uid,
  modality: "CT",
  description: "",
  bodyPart: "",
  laterality: "",
  count: 10,
  pictures: true,
  ...more,
});
const view = (position, laterality, row = "") => ({
  dataset: {
    "00185101": element(position),
    "00200062": element(laterality),
    ...(row ? { "00200020": element(row, "F") } : {}),
  },
});
const study = (id, ...all) => ({ id, series: () => all });

async function hung(rules, world) {
  const found = [];
  for await (const each of placed(rules, { prior: async () => undefined, ...world })) {
    found.push(each);
  }
  return found;
}

test("rules fit by what a study holds", () => {
  const facts = {
    series: [
      series("1", { description: "Lung 1.0", bodyPart: "CHEST" }),
      series("2", { modality: "SR", description: "dose", pictures: false, count: 500 }),
    ],
    description: "CT Thorax nativ",
    priors: [{ id: 1 }],
  };
  for (const match of [
    {},
    { modality: ["MR", "ct"] },
    { bodyPart: ["chest"] },
    { description: ["THORAX"] },
    { description: ["lung"] },
    { priors: 1 },
    { images: 10 },
    { modality: ["CT"], bodyPart: ["CHEST"], description: ["x", "thorax"], priors: 1 },
  ]) {
    assert.ok(fits(match, facts), JSON.stringify(match));
  }
  for (const match of [
    { modality: ["SR"] },
    { description: ["dose"] },
    { bodyPart: ["CHES"] },
    { laterality: ["L"] },
    { priors: 2 },
    { images: 11 },
    { modality: ["CT"], description: ["abdomen"] },
  ]) {
    assert.ok(!fits(match, facts), JSON.stringify(match));
  }
  assert.ok(!fits({}, { ...facts, series: [facts.series[1]] }), "without pictures");
});

test("the first that fits is used", () => {
  const facts = { series: [series("1")], description: "", priors: [] };
  const protocols = [
    { name: "mr", rules: { match: { modality: ["MR"] } } },
    { name: "mine", rules: { match: { modality: ["CT"] } } },
    { name: "any", rules: {} },
  ];
  assert.equal(matched(protocols, facts).name, "mine");
  assert.equal(matched(protocols.slice(0, 1), facts), undefined);
});

test("views and sides are read from code, position and either laterality", () => {
  const coded = (code) => ({
    dataset: { "00540220": element({ "00080100": element(code) }), "00185101": element("x") },
  });
  assert.equal(viewOf(coded("399162004")), "CC");
  assert.equal(viewOf(coded("R-10226")), "MLO");
  assert.equal(viewOf(view("pa", "L")), "PA");
  assert.equal(lateralityOf(view("CC", "L")), "L");
  assert.equal(lateralityOf({ dataset: { "00200060": element("R") } }), "R");
});

test("images are found by view and side, number or place", () => {
  const frames = [view("MLO", "L"), view("CC", "R"), view("CC", "L")];
  assert.equal(frameIn(frames, { view: ["cc"], laterality: "L" }), 2);
  assert.equal(frameIn(frames, { laterality: "R" }), 1);
  assert.equal(frameIn(frames, { view: ["PA"] }), -1);
  assert.equal(frameIn(frames, { at: 3 }), 2);
  assert.equal(frameIn(frames, { at: 4 }), -1);
  assert.equal(frameIn(frames, { place: "middle" }), 1);
  assert.equal(frameIn(frames, { place: "last" }), 2);
  assert.equal(frameIn(frames, {}), 0);
});

const breast = (wanted, laterality, facing) => ({
  series: { modality: ["MG"] },
  image: { view: [wanted], laterality },
  facing,
});
const fourViews = {
  layout: "2x2",
  cells: [
    breast("CC", "R", "right"),
    breast("CC", "L", "left"),
    breast("MLO", "R", "right"),
    breast("MLO", "L", "left"),
  ],
};

test("four views are hung from one series and from four", async () => {
  const images = {
    a: [view("MLO", "L")],
    b: [view("CC", "R")],
    c: [view("MLO", "R")],
    d: [view("CC", "L")],
  };
  const each = study(1, ...Object.keys(images).map((uid) => series(uid, { modality: "MG" })));
  const apart = await hung(fourViews, { study: each, framesOf: async (_, uid) => images[uid] });
  assert.deepEqual(
    apart.map(({ uid, facing }) => [uid, facing]),
    [
      ["b", "right"],
      ["d", "left"],
      ["c", "right"],
      ["a", "left"],
    ],
  );
  const all = Object.values(images).flat();
  const one = study(1, series("all", { modality: "MG", count: 4 }));
  const together = await hung(fourViews, { study: one, framesOf: async () => all });
  assert.deepEqual(
    together.map(({ uid, placeIn }) => [uid, placeIn(all)]),
    [
      ["all", 1],
      ["all", 3],
      ["all", 2],
      ["all", 0],
    ],
  );
});

test("a view that is missing is said, not replaced", async () => {
  const one = study(1, series("a", { modality: "MG" }));
  const found = await hung(fourViews, { study: one, framesOf: async () => [view("CC", "R")] });
  assert.equal(found[0].uid, "a");
  for (const { uid, why } of found.slice(1)) {
    assert.equal(uid, undefined);
    assert.match(why, /No series or image/);
  }
});

test("windows of one series, series by words, priors by rank", async () => {
  const own = study(
    1,
    series("scout", { count: 1 }),
    series("t2", { modality: "MR", description: "AX T2" }),
    series("flair", { modality: "MR", description: "AX T2 FLAIR" }),
    series("vol"),
  );
  const old = study(7, series("old"));
  const lung = { center: -600, width: 1500 };
  const rules = {
    layout: "2x3",
    cells: [
      { series: { modality: ["CT"], images: 5 } },
      { same: 1, window: lung },
      { series: { modality: ["MR"], description: ["flair"] } },
      { series: { modality: ["MR"], description: ["t2"], without: ["flair"] } },
      { study: "prior" },
      { study: "prior 2" },
    ],
  };
  const prior = async (rank) => (rank === 1 ? old : undefined);
  const found = await hung(rules, { study: own, prior, framesOf: async () => [] });
  assert.deepEqual(
    found.map(({ study: from, uid }) => [from?.id, uid]),
    [
      [1, "vol"],
      [1, "vol"],
      [1, "flair"],
      [1, "t2"],
      [7, "old"],
      [undefined, undefined],
    ],
  );
  assert.deepEqual(found[1].window, lung);
  assert.match(found[5].why, /no such prior/);
});

test("series are used once, empty viewports stay empty, failures stay in their viewport", async () => {
  const own = study(1, series("a"), series("b"), series("c", { pictures: false }));
  const rules = { layout: "2x2", cells: [{}, null, { study: "prior" }, {}] };
  const prior = async () => {
    throw new Error("lost");
  };
  const found = await hung(rules, { study: own, prior, framesOf: async () => [] });
  assert.deepEqual(
    found.map(({ cell, uid }) => [cell, uid]),
    [
      [0, "a"],
      [2, undefined],
      [3, "b"],
    ],
  );
  assert.match(found[1].why, /could not be loaded/);
});

test("a breast that faces the wrong way is turned about", () => {
  // Right breast: chest wall on the right of the picture (its rows run to posterior).
  assert.equal(facesAway(view("CC", "R", "P"), "right"), false);
  assert.equal(facesAway(view("CC", "R", "A"), "right"), true);
  assert.equal(facesAway(view("CC", "L", "A"), "left"), false);
  assert.equal(facesAway(view("CC", "L", "P"), "left"), true);
  assert.equal(facesAway(view("CC", "L"), "left"), false);
  assert.equal(facesAway(view("CC", "L", "P"), undefined), false);
});

test("rules from the screen hang the same again", async () => {
  const own = study(
    1,
    series("t1", { description: "AX T1" }),
    series("t2", { description: "AX T2" }),
  );
  const old = study(7, series("old", { description: "AX T1" }));
  const [t1, t2] = own.series();
  const window = { center: 40, width: 400 };
  const rules = rulesFrom({
    layout: "2x2",
    link: ["scroll"],
    match: { modality: ["CT"] },
    cells: [
      { series: t2, priorRank: 0, frame: { orientation: {} } },
      { series: t2, priorRank: 0, frame: { orientation: {} }, window },
      { series: old.series()[0], priorRank: 1, frame: { orientation: {} } },
      {},
    ],
  });
  assert.deepEqual(rules, {
    match: { modality: ["CT"] },
    layout: "2x2",
    cells: [
      { series: { modality: ["CT"], description: ["AX T2"] } },
      { same: 1, window },
      { series: { modality: ["CT"], description: ["AX T1"] }, study: "prior" },
      null,
    ],
    link: ["scroll"],
  });
  const found = await hung(rules, { study: own, prior: async () => old, framesOf: async () => [] });
  assert.deepEqual(
    found.map(({ uid }) => uid),
    ["t2", "t2", "old"],
  );
  assert.equal(t1.uid, "t1");
  const mammogram = rulesFrom({
    layout: "1x1",
    link: [],
    match: {},
    cells: [{ series: t1, priorRank: 0, frame: view("CC", "L") }],
  });
  assert.deepEqual(mammogram.cells[0].image, { view: ["CC"], laterality: "L" });
});
