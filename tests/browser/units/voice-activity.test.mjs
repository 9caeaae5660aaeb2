import assert from "node:assert/strict";
import test from "node:test";

import { voiceChanges } from "../../../static/shared/speech/voice-activity.js";
import { LevelGate } from "../../../static/shared/level-gate.js";

const RATE = 48_000;

/** Sound as `[seconds, level]` parts. */
function sound(...parts) {
  return Float32Array.from(parts.flatMap(([seconds, level]) => Array(Math.round(seconds * RATE)).fill(level)));
}

for (const looks of [0.05, 0.137, 0.3])
  test(`a pause at a comma is heard when one looks every ${looks} s, and one within a word is not`, () => {
    const gate = new LevelGate({ attackMs: 40, releaseMs: 110 });
    const all = sound([0.2, 0], [0.4, 0.1], [0.07, 0], [0.4, 0.1], [0.15, 0], [0.5, 0.1], [0.6, 0]);
    const found = [];
    for (let at = 0; at < all.length; at += looks * RATE) {
      const until = Math.min(all.length, Math.round(at + looks * RATE));
      found.push(...voiceChanges(gate, all.subarray(Math.round(at), until), RATE, until / RATE));
    }
    assert.deepEqual(found, [true, false, true, false]);
  });
