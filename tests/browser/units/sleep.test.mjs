import assert from "node:assert/strict";
import test from "node:test";

import { sleep } from "../../../static/shared/sleep.js";

test("a pause ends with its time", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let over = false;
  void sleep(1000).then(() => (over = true));
  t.mock.timers.tick(999);
  await Promise.resolve();
  assert.ok(!over);
  t.mock.timers.tick(1);
  await Promise.resolve();
  assert.ok(over);
});

test("nobody has to sit out a pause that they gave up, before or while it lasts", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const cancelled = new AbortController();
  const resting = sleep(1000, cancelled.signal);
  cancelled.abort();
  await resting;
  await sleep(1000, cancelled.signal);
});
