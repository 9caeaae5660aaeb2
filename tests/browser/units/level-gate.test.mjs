import assert from "node:assert/strict";
import test from "node:test";

import { LevelGate } from "../../../static/shared/level-gate.js";

test("a voice begins after a short while of loudness and ends after a longer one of quiet", () => {
  const gate = new LevelGate({ loud: 0.1, quiet: 0.05, attackMs: 100, releaseMs: 500 });
  const changes = [];
  for (let now = 0; now < 3000; now += 50) {
    const speaking = now >= 500 && now < 1500 && !(now >= 900 && now < 1200);
    if (gate.feed(speaking ? 0.3 : 0, now)) changes.push(`${now} ${gate.open}`);
  }
  assert.deepEqual(changes, ["600 true", "2000 false"]);
});

test("a click is no voice, and a level between the thresholds changes nothing", () => {
  const gate = new LevelGate({ loud: 0.1, quiet: 0.05, attackMs: 100, releaseMs: 100 });
  assert.equal(gate.feed(0.9, 0), false);
  assert.equal(gate.feed(0, 50), false);
  for (let now = 100; now < 1000; now += 50) assert.equal(gate.feed(0.07, now), false);
});
