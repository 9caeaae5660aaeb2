import assert from "node:assert/strict";
import test from "node:test";

import { SessionMonitor } from "../../../static/shared/session/session-monitor.js";
import { Problem } from "../../../static/shared/broker/problems.js";

/** A monitor and what it told; its broker does as the test says. */
function monitor(api = {}) {
  const told = [];
  const line = new SessionMonitor(api, { sessionId: "s-1" });
  line.on("timeLeft", (seconds) => told.push(seconds));
  line.on("over", ({ name, endReason, detail }) => told.push(`${name}: ${endReason ?? detail}`));
  return { line, told };
}

const ended = new Problem("session-ended", { endReason: "idle" });

test("an end is told once, whoever learns it", async () => {
  const { line, told } = monitor({ state: async () => ({ state: "ended", endReason: "idle" }) });
  await assert.rejects(line.call(async () => Promise.reject(ended)), ended);
  await line.check();
  assert.deepEqual(told, ["session-ended: idle"]);
});

test("an end without a reason that is known here is told all the same", async () => {
  const { line, told } = monitor({ state: async () => ({ state: "ended", endReason: null }) });
  await line.check();
  assert.deepEqual(told, ["session-ended: The server ended it."]);
});

test("what is answered after it was stopped is not told", async () => {
  const { line, told } = monitor({ state: async () => ({ state: "live", secondsLeft: 9 }) });
  const late = [line.check(), assert.rejects(line.call(async () => Promise.reject(ended)))];
  line.stop();
  await Promise.all(late);
  assert.deepEqual(told, []);
});
