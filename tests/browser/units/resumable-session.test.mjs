import assert from "node:assert/strict";
import test from "node:test";

import { ResumableSession } from "../../../static/shared/session/resumable-session.js";
import { Problem } from "../../../static/shared/broker/problems.js";

const OPENED = { sessionId: "s-1", token: "t", secondsLeft: 800 };
const left = (changes = {}) => ({ sessionId: "s-1", state: "live", secondsLeft: 800, watched: false, ...changes });

/** A session to resume; what it asked the broker, what it ended, and what it told. */
function held({ sessions = [left()], keepAlive = async () => {}, resume = async () => OPENED } = {}) {
  const calls = [];
  const told = [];
  const broker = { sessions };
  const api = {
    sessions: async () => (calls.push("sessions"), broker.sessions),
    resume: ({ sessionId }) => (calls.push(`resume ${sessionId}`), resume()),
    keepAlive: () => (calls.push("keepAlive"), keepAlive()),
    leave: async ({ sessionId }) => void calls.push(`leave ${sessionId}`),
  };
  const terminator = { end: ({ sessionId }) => calls.push(`end ${sessionId}`) };
  const resumable = new ResumableSession(api, terminator);
  for (const event of ["found", "gone", "ended"]) resumable.on(event, () => told.push(event));
  return { resumable, calls, told, broker };
}

/** Lets so many seconds pass, one after the other. */
async function pass(t, seconds) {
  for (let second = 0; second < seconds; second += 1) {
    t.mock.timers.tick(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("a session that nobody watches is held at once and offered", async () => {
  const { resumable, calls, told } = held();
  await resumable.find();
  assert.deepEqual([calls, told], [["sessions", "resume s-1"], ["found"]]);
  resumable.leave();
});

test("a session whose last page's word arrives late is offered all the same", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const { resumable, calls, told, broker } = held({ sessions: [left({ watched: true })] });
  const looking = resumable.find();
  await pass(t, 1);
  broker.sessions = [left()];
  await pass(t, 5);
  await looking;
  assert.deepEqual([calls, told], [["sessions", "sessions", "resume s-1"], ["found"]]);
  resumable.leave();
});

test("a session that another tab watches is left alone", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const { resumable, calls, told } = held({ sessions: [left({ watched: true })] });
  const looking = resumable.find();
  await pass(t, 6);
  await looking;
  assert.deepEqual([calls, told], [["sessions", "sessions", "sessions", "sessions"], []]);
  assert.equal(await resumable.claim(), null);
});

for (const session of [left({ watched: undefined }), left({ state: "ended" })]) {
  test(`a session that is ${JSON.stringify(session)} is left alone`, async () => {
    const { resumable, calls, told } = held({ sessions: [session] });
    await resumable.find();
    assert.deepEqual([calls, told], [["sessions"], []]);
    assert.equal(await resumable.claim(), null);
  });
}

test("where nothing can be found out nothing is offered", async () => {
  const resume = async () => {
    throw new Problem("session-ended");
  };
  const { resumable, told } = held({ resume });
  await resumable.find();
  assert.deepEqual(told, []);
});

test("what is taken is neither held nor ended any more", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { resumable, calls, told } = held();
  await resumable.find();
  assert.equal(await resumable.claim(), OPENED);
  await pass(t, 120);
  assert.deepEqual([calls, told], [["sessions", "resume s-1"], ["found", "gone"]]);
});

test("what nobody takes is held for a minute, and then ended with a word", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { resumable, calls, told } = held();
  await resumable.find();
  await pass(t, 59);
  assert.ok(calls.includes("keepAlive"));
  assert.ok(!calls.includes("end s-1"));
  await pass(t, 1);
  assert.equal(calls.at(-1), "end s-1");
  assert.deepEqual(told, ["found", "gone", "ended"]);
});

test("no sign of life is given in the last half minute, so that another's can be told", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { resumable, calls } = held();
  await resumable.find();
  await pass(t, 31);
  calls.length = 0;
  await pass(t, 28);
  assert.deepEqual(calls, []);
  resumable.leave();
});

test("what another tab took up meanwhile is not ended", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { resumable, calls, told, broker } = held();
  await resumable.find();
  broker.sessions = [left({ watched: true })];
  await pass(t, 60);
  assert.ok(!calls.includes("end s-1"));
  assert.deepEqual(told, ["found", "gone"]);
});

test("a session that ends while it is offered is offered no longer", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const keepAlive = async () => {
    throw new Problem("session-ended", { endReason: "budget" });
  };
  const { resumable, told } = held({ keepAlive });
  await resumable.find();
  await pass(t, 10);
  assert.deepEqual(told, ["found", "gone", "ended"]);
});

test("a page that goes away leaves what it offers, once", async () => {
  const { resumable, calls } = held();
  await resumable.find();
  resumable.leave();
  resumable.leave();
  assert.deepEqual(calls, ["sessions", "resume s-1", "leave s-1"]);
});

test("what is refused is ended", async () => {
  const { resumable, calls, told } = held();
  await resumable.find();
  resumable.decline();
  assert.deepEqual([calls.at(-1), told], ["end s-1", ["found", "gone"]]);
});
