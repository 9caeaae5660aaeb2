import assert from "node:assert/strict";
import test from "node:test";

import { Lifeline } from "../../../static/page/lifeline.js";
import { Problem } from "../../../static/page/problems.js";

/** A lifeline and what it told; its broker does as the test says. */
function lifeline(api = {}) {
  const told = [];
  const line = new Lifeline(api, { sessionId: "s-1" });
  line.on("timeLeft", (seconds) => told.push(seconds));
  line.on("over", ({ name, detail }) => told.push(`${name}: ${detail}`));
  return { line, told };
}

const ended = new Problem("session-ended", { endReason: "idle" });

test("an end is told once, whoever learns it", async () => {
  const { line, told } = lifeline({ state: async () => ({ state: "ended", endReason: "idle" }) });
  await assert.rejects(line.call(async () => Promise.reject(ended)), ended);
  await line.check();
  assert.deepEqual(told, ["session-ended: It was idle for too long."]);
});

test("an end without a reason that is known here is told all the same", async () => {
  const { line, told } = lifeline({ state: async () => ({ state: "ended", endReason: null }) });
  await line.check();
  assert.deepEqual(told, ["session-ended: The server ended it."]);
});

test("what is answered after it was cut is not told", async () => {
  const { line, told } = lifeline({ state: async () => ({ state: "live", secondsLeft: 9 }) });
  const late = [line.check(), assert.rejects(line.call(async () => Promise.reject(ended)))];
  line.cut();
  await Promise.all(late);
  assert.deepEqual(told, []);
});
