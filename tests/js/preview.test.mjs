import assert from "node:assert/strict";
import { test } from "node:test";

import { previewURL } from "../../static/src/viewer/preview.js";

const frame = "/dicom-web/studies/1/series/2/instances/3/frames/4";

test("a preview is as large as the screen shows", () => {
  const room = { width: 800.4, height: 600, scale: 1.5 };
  assert.equal(previewURL(frame, room), `${frame}/rendered?viewport=1201,900&quality=80`);
  assert.equal(previewURL(`${frame}/rendered`, room), previewURL(frame, room));
});

test("it is never huge and never nothing", () => {
  assert.match(previewURL(frame, { width: 9000, height: 3, scale: 2 }), /viewport=2048,64&/);
});
