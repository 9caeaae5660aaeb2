import assert from "node:assert/strict";
import test from "node:test";

import { Problem } from "../../../static/page/problems.js";
import { Session } from "../../../static/page/session.js";

const OPENED = { sessionId: "s-1", token: "t", tokenMode: "sealed", baseUrl: "http://b", expiresAt: "", secondsLeft: 900 };

/** A promise and its two ends. */
function deferred() {
  let resolve, reject;
  const promise = new Promise((...ends) => ([resolve, reject] = ends));
  return { promise, resolve, reject };
}

/** A page's session whose broker and player do as the test says. */
function visit({ create = async () => OPENED, init = async () => {}, close = async () => {}, api = {} } = {}) {
  const calls = [];
  const states = [];
  const handlers = {};
  class Player {
    on = (event, handler) => (handlers[event] = handler);
    initSession = () => init(handlers);
    endSession = () => (calls.push("endSession"), close());
  }
  const note = (name, answer) => async () => (calls.push(name), answer);
  const broker = {
    create: (key) => (calls.push("create"), create(key)),
    speak: note("speak"),
    interrupt: note("interrupt"),
    keepAlive: note("keepAlive"),
    end: note("end"),
    state: note("state", { state: "live", secondsLeft: 100 }),
    ...api,
  };
  const stage = { containerId: "c", playable: async () => {} };
  const session = new Session(broker, Promise.resolve({ KalturaAvatarSession: Player }), stage);
  session.on("state", ({ state, problem }) => states.push(problem ? `${state}: ${problem.name}` : state));
  return { session, calls, states, handlers };
}

const connect = async ({ connectionChange }) => connectionChange("CONNECTED");

test("a session is live once the avatar is connected, whatever the letter case", async () => {
  for (const word of ["CONNECTED", "connected", "Connected"]) {
    const { session, states } = visit({ init: async ({ connectionChange }) => connectionChange(word) });
    await session.start();
    assert.deepEqual(states, ["connecting", "live"]);
    session.leave();
  }
});

test("READY counts as live too", async () => {
  const { session, states } = visit({ init: async ({ stateChange }) => stateChange("ready") });
  await session.start();
  assert.deepEqual(states, ["connecting", "live"]);
  session.leave();
});

test("a second start while the first is under way opens nothing", async () => {
  const { session, calls } = visit({ init: connect });
  await Promise.all([session.start(), session.start()]);
  assert.deepEqual(calls, ["create"]);
  session.leave();
});

test("each start has a key of its own", async () => {
  const keys = [];
  const { session } = visit({ init: connect, create: async (key) => (keys.push(key), OPENED) });
  await session.start();
  session.end();
  await session.start();
  session.leave();
  assert.equal(new Set(keys).size, 2);
});

test("a session that opens after End was clicked is ended at once and never shown", async () => {
  const late = deferred();
  const { session, calls, states } = visit({ create: () => late.promise, init: connect });
  const started = session.start();
  await soon();
  session.end();
  late.resolve(OPENED);
  await started;
  await soon();
  assert.deepEqual(calls, ["create", "end"]);
  assert.deepEqual(states, ["connecting", "ended"]);
});

test("a player that fails ends the session it was given", async () => {
  const { session, calls, states } = visit({
    init: async () => {
      throw { code: "viewer-taken", message: "m" };
    },
  });
  await session.start();
  await soon();
  assert.deepEqual(states, ["connecting", "problem: viewer-taken"]);
  assert.deepEqual(calls, ["create", "endSession", "end"]);
});

test("a start after that waits for the late session to be ended, and is not disturbed by it", async () => {
  const [late, ending] = [deferred(), deferred()];
  const answers = [late.promise, Promise.resolve({ ...OPENED, sessionId: "s-2" })];
  const { session, calls, states } = visit({
    create: () => answers.shift(),
    init: connect,
    api: { end: ({ sessionId }) => (calls.push(`end ${sessionId}`), ending.promise) },
  });
  const first = session.start();
  await soon();
  session.end();
  const second = session.start();
  late.resolve(OPENED);
  await soon();
  assert.deepEqual(calls, ["create", "end s-1"]);
  ending.resolve();
  await Promise.all([first, second]);
  assert.deepEqual(calls, ["create", "end s-1", "create"]);
  assert.deepEqual(states, ["connecting", "ended", "connecting", "live"]);
  session.leave();
});

test("the next session waits until the last one has ended", async () => {
  const ending = deferred();
  const { session, calls } = visit({ init: connect, api: { end: () => ending.promise } });
  await session.start();
  session.end();
  const again = session.start();
  await soon();
  assert.equal(calls.filter((call) => call === "create").length, 1);
  ending.resolve();
  await again;
  assert.equal(calls.filter((call) => call === "create").length, 2);
  session.leave();
});

test("an answer that the session is over ends it here too", async () => {
  const over = async () => {
    throw new Problem("session-ended");
  };
  const { session, states } = visit({ init: connect, api: { speak: over } });
  await session.start();
  await assert.rejects(session.speak("hello"), { name: "session-ended" });
  assert.equal(states.at(-1), "ended: session-ended");
});

test("another problem leaves the session live", async () => {
  const busy = async () => {
    throw new Problem("kaltura-busy");
  };
  const { session, states } = visit({ init: connect, api: { speak: busy } });
  await session.start();
  await assert.rejects(session.speak("hello"), { name: "kaltura-busy" });
  assert.equal(states.at(-1), "live");
  session.leave();
});

test("a lost picture is explained by the broker's reason when the session has ended", async () => {
  const state = async () => ({ state: "ended", secondsLeft: 0, endReason: "idle" });
  const { session, states, handlers } = visit({ init: connect, api: { state } });
  await session.start();
  handlers.connectionChange("failed");
  await soon();
  assert.equal(states.at(-1), "ended: session-ended");
});

test("a lost picture of a session that goes on is a problem, and the session is ended", async () => {
  const { session, states, calls, handlers } = visit({ init: connect });
  await session.start();
  handlers.connectionChange("FAILED");
  await soon();
  assert.equal(states.at(-1), "problem: ice-failed");
  assert.ok(calls.includes("end"));
});

test("what a player of an earlier session still tells is not heard", async () => {
  const { session, states, handlers } = visit({ init: connect });
  await session.start();
  const { connectionChange, speakingStart, error } = handlers;
  session.end();
  await session.start();
  const heard = [];
  session.on("speaking", () => heard.push("speaking"));
  session.on("trouble", () => heard.push("trouble"));
  connectionChange("FAILED");
  speakingStart();
  error({ code: "network" });
  await soon();
  assert.equal(states.at(-1), "live");
  assert.deepEqual(heard, []);
  session.leave();
});

test("leaving sends the end before anything is waited for", async () => {
  const { session, calls } = visit({ init: connect });
  await session.start();
  session.leave();
  assert.ok(calls.includes("end"));
});

test("leaving right after End does not wait for the player to be done", async () => {
  const { session, calls } = visit({ init: connect, close: () => new Promise(() => {}) });
  await session.start();
  session.end();
  await soon();
  assert.ok(!calls.includes("end"));
  session.leave();
  assert.ok(calls.includes("end"));
});

/** Lets every promise that can go on do so. */
async function soon() {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
