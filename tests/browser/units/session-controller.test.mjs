import assert from "node:assert/strict";
import test from "node:test";

import { Problem } from "../../../static/shared/broker/problems.js";
import { displayIn } from "../../../static/shared/session/avatar-player.js";
import { SessionController } from "../../../static/shared/session/session-controller.js";

const OPENED = { sessionId: "s-1", token: "t", tokenMode: "sealed", baseUrl: "http://b", expiresAt: "", secondsLeft: 900 };

const LEFT = { sessionId: "s-1", state: "live", secondsLeft: 800, watched: false };
const PLACE = { ticket: "t-1", position: 2, estimatedSeconds: 40, turnSecondsLeft: null };

/** A promise and its two ends. */
function deferred() {
  let resolve, reject;
  const promise = new Promise((...ends) => ([resolve, reject] = ends));
  return { promise, resolve, reject };
}

/** A page's session whose broker and player do as the test says. */
function visit({ create = async () => OPENED, init = async () => {}, close = async () => {}, api = {}, player, prepares, fetchSession } = {}) {
  const calls = [];
  const states = [];
  const handlers = {};
  globalThis.sessionStorage = new FakeStorage();
  class Player {
    static prepare = prepares && (() => (calls.push("prepare"), { close: () => calls.push("close") }));
    on = (event, handler) => (handlers[event] = handler);
    initSession = () => init(handlers);
    endSession = () => (calls.push("endSession"), close());
  }
  const note = (name, answer) => async () => (calls.push(name), answer);
  const broker = {
    create: (key, wanted) => (calls.push("create"), create(key, wanted)),
    speak: note("speak"),
    interrupt: note("interrupt"),
    keepAlive: note("keepAlive"),
    end: note("end"),
    endAll: note("endAll"),
    leave: note("leave"),
    leaveLine: note("leaveLine"),
    resume: note("resume", OPENED),
    sessions: note("sessions", []),
    follow: () => new Promise(() => {}),
    heard: note("heard"),
    state: note("state", { state: "live", secondsLeft: 100 }),
    ...api,
  };
  const shown = [];
  const stage = { containerId: "c", clear: () => shown.push("cleared"), playable: async () => shown.push("played") };
  const display = displayIn(() => player ?? Promise.resolve({ KalturaAvatarSession: Player }), stage);
  const session = new SessionController(broker, display, { fetchSession });
  session.on("state", ({ state, problem }) => states.push(problem ? `${state}: ${problem.name}` : state));
  const problems = [];
  session.on("state", ({ problem }) => problem && problems.push(problem));
  return { session, calls, states, problems, handlers, shown };
}

class FakeStorage extends Map {
  getItem = (key) => this.get(key) ?? null;
  setItem = (key, value) => this.set(key, value);
  removeItem = (key) => this.delete(key);
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

test("a picture is prepared while its session is opened, and closed when there is none", async () => {
  const opening = deferred();
  const { session, calls } = visit({ create: () => opening.promise, init: connect, prepares: true });
  const started = session.start();
  await soon();
  assert.deepEqual(calls, ["prepare", "create"]);
  opening.reject(new Problem("kaltura-error"));
  await started;
  assert.deepEqual(calls, ["prepare", "create", "close"]);

  const line = visit({ create: async () => PLACE, api: { place: () => new Promise(() => {}) }, prepares: true });
  void line.session.start();
  await soon();
  assert.deepEqual(line.calls, ["prepare", "create", "close"]);
  line.session.end();
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
  session.on("opened", () => calls.push("opened"));
  const started = session.start();
  await soon();
  session.end();
  late.resolve(OPENED);
  await started;
  await soon();
  assert.deepEqual(calls, ["create", "end"]);
  assert.deepEqual(states, ["connecting", "ended"]);
});

test("a player that is made after End was clicked shows nothing", async () => {
  const made = deferred();
  const shown = [];
  const display = { ready: async () => {}, playerOf: () => made.promise, container: {} };
  const api = { create: async () => OPENED, follow: () => new Promise(() => {}), end: async () => {} };
  const session = new SessionController(api, display);
  const started = session.start();
  await soon();
  session.end();
  made.resolve({ on() {}, show: async () => shown.push("avatar") });
  await started;
  assert.deepEqual(shown, []);
});

test("a player that does not come costs no session", async () => {
  const player = Promise.reject(new Problem("player-failed"));
  const { session, calls, states } = visit({ player });
  await session.start();
  assert.deepEqual([calls, states], [[], ["connecting", "problem: player-failed"]]);
});

test("a player that fails ends the session it was given, and is not tried again", async () => {
  const { session, calls, states } = visit({
    init: async () => {
      calls.push("init");
      throw { code: "viewer-taken", message: "m" };
    },
  });
  await session.start();
  await soon();
  assert.deepEqual(states, ["connecting", "problem: viewer-taken"]);
  assert.deepEqual(calls, ["create", "init", "endSession", "end"]);
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
  const { session, states, problems, handlers } = visit({ init: connect, api: { state } });
  await session.start();
  handlers.connectionChange("failed");
  await soon();
  assert.equal(states.at(-1), "ended: session-ended");
  assert.equal(problems.at(-1).endReason, "idle");
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

test("leaving is said before anything is waited for, and ends nothing", async () => {
  const { session, calls } = visit({ init: connect });
  await session.start();
  session.leave();
  assert.deepEqual(calls, ["create", "leave"]);
  await soon();
  assert.deepEqual(calls, ["create", "leave"]);
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

test("a start while a session is offered resumes it, and opens none", async () => {
  const { session, calls, states } = visit({ init: connect, api: { sessions: async () => [LEFT] } });
  await session.recover();
  assert.deepEqual(calls, ["resume"]);
  await session.start();
  assert.deepEqual(calls, ["resume", "resume"]);
  assert.deepEqual(states, ["connecting", "live"]);
  session.leave();
});

test("a start before it is known what was left waits for that", async () => {
  const list = deferred();
  const { session, calls } = visit({ init: connect, api: { sessions: () => list.promise } });
  const recovering = session.recover();
  const starting = session.start();
  await soon();
  assert.deepEqual(calls, []);
  list.resolve([LEFT]);
  await Promise.all([recovering, starting]);
  assert.deepEqual(calls, ["resume", "resume"]);
  session.leave();
});

test("what was left is ended when its visitor says so", async () => {
  const { session, calls, states } = visit({ init: connect, api: { sessions: async () => [LEFT] } });
  await session.recover();
  session.end();
  await soon();
  assert.deepEqual(calls, ["resume", "end"]);
  assert.deepEqual(states, ["ended"]);
});

test("a session that is over when it shall be resumed is told to be, with its reason", async () => {
  const answers = [async () => OPENED, refuse(new Problem("session-ended", { endReason: "budget" }))];
  const api = { sessions: async () => [LEFT], resume: () => answers.shift()() };
  const { session, states, problems } = visit({ init: connect, api });
  await session.recover();
  await session.start();
  assert.equal(states.at(-1), "ended: session-ended");
  assert.equal(problems.at(-1).endReason, "budget");
});

test("End while a session is being resumed ends it, though the answer comes late", async () => {
  const late = deferred();
  const answers = [async () => OPENED, () => late.promise];
  const api = { sessions: async () => [LEFT], resume: () => answers.shift()() };
  const { session, calls, states } = visit({ init: connect, api });
  await session.recover();
  const started = session.start();
  await soon();
  session.end();
  late.resolve(OPENED);
  await started;
  await soon();
  assert.deepEqual(calls, ["end"]);
  assert.deepEqual(states, ["connecting", "ended"]);
});

test("the viewer of the page before may take a moment to be gone", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let refusals = 2;
  const init = async (handlers) => {
    if (refusals-- > 0) throw { code: "viewer-taken", message: "m" };
    await connect(handlers);
  };
  const { session, calls, states } = visit({ init, api: { sessions: async () => [LEFT] } });
  await session.recover();
  void session.start();
  for (let moment = 0; moment < 3; moment += 1) {
    await soon();
    t.mock.timers.tick(3000);
  }
  await soon();
  assert.deepEqual(states, ["connecting", "live"]);
  assert.ok(!calls.includes("endSession"), "the SDK would end the session");
  session.leave();
});

test("a picture that failed slowly is not tried again: no viewer was in its way", async (t) => {
  let now = 0;
  t.mock.method(performance, "now", () => (now += 5000));
  let tries = 0;
  const init = async () => {
    tries += 1;
    throw { code: "ice-failed", message: "m" };
  };
  const { session, states } = visit({ init, api: { sessions: async () => [LEFT] } });
  await session.recover();
  await session.start();
  assert.deepEqual([tries, states.at(-1)], [1, "problem: ice-failed"]);
});

test("what nobody came back to is told to have ended", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { session, states } = visit({ api: { sessions: async () => [LEFT] } });
  await session.recover();
  t.mock.timers.tick(60_000);
  await soon();
  assert.deepEqual(states, ["ended: session-ended"]);
});

test("a page that is shown again with nothing under way looks for what was left", async () => {
  const { session, calls } = visit();
  session.leave();
  await session.comeBack();
  assert.deepEqual(calls, ["sessions"]);
});

test("a page that is shown again goes on waiting, and keeps its place for no other", async () => {
  const { session, calls, states } = visit({ create: async () => PLACE, api: { place: untilAborted } });
  void session.start();
  await soon();
  session.leave();
  assert.equal(globalThis.sessionStorage.size, 1);
  await session.comeBack();
  assert.equal(globalThis.sessionStorage.size, 0);
  assert.deepEqual([calls, states], [["create"], ["connecting"]]);
  session.end();
});

test("a session that has ended is not ended again when the page goes", async () => {
  const { session, calls } = visit({ init: connect });
  await session.start();
  session.end();
  await soon();
  session.leave();
  assert.deepEqual(calls, ["create", "endSession", "end"]);
});

test("a session that has ended gives no sign of life and asks for none", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { session, calls } = visit({ init: connect });
  await session.start();
  session.end();
  await soon();
  calls.length = 0;
  t.mock.timers.tick(60_000);
  await soon();
  await session.check();
  assert.deepEqual(calls, []);
});

test("a page that was only kept resumes the session that it had", async () => {
  const { session, calls, states, handlers, shown } = visit({ init: connect });
  await session.start();
  const { connectionChange } = handlers;
  session.leave();
  connectionChange("FAILED");
  await session.comeBack();
  assert.deepEqual(shown, ["cleared", "played", "cleared", "played"]);
  assert.deepEqual(calls, ["create", "leave", "resume"]);
  assert.deepEqual(states, ["connecting", "live", "connecting", "live"]);
  session.leave();
});

test("a page that was kept too long says why its session is over", async () => {
  const resume = refuse(new Problem("session-ended", { endReason: "left" }));
  const { session, states, problems } = visit({ init: connect, api: { resume } });
  await session.start();
  session.leave();
  await session.comeBack();
  assert.equal(states.at(-1), "ended: session-ended");
  assert.equal(problems.at(-1).endReason, "left");
});

test("a page that was left while it resumed resumes again when it is back", async () => {
  const never = new Promise(() => {});
  const resume = [async () => OPENED, () => never, async () => OPENED];
  const api = { sessions: async () => [LEFT], resume: () => resume.shift()() };
  const { session, calls, states } = visit({ init: connect, api });
  await session.recover();
  void session.start();
  await soon();
  session.leave();
  assert.deepEqual(calls, ["leave"]);
  await session.comeBack();
  assert.equal(states.at(-1), "live");
  session.leave();
});

test("a page that goes away while it offers a session leaves that to the next", async () => {
  const { session, calls } = visit({ api: { sessions: async () => [LEFT] } });
  await session.recover();
  session.leave();
  assert.deepEqual(calls, ["resume", "leave"]);
});

test("a place in line outlives the page, with its key, and is waited for without a click", async () => {
  const asked = [];
  const create = async (key, { ticket }) => {
    asked.push([key, ticket]);
    return ticket ? OPENED : PLACE;
  };
  const places = [new Promise(() => {}), Promise.resolve({ ...PLACE, turnSecondsLeft: 30 })];
  const api = { place: async () => places.shift() };
  const before = visit({ create, init: connect, api });
  void before.session.start();
  await soon();
  before.session.leave();
  assert.deepEqual(before.calls, ["create"]);

  const stored = globalThis.sessionStorage;
  const after = visit({ create, init: connect, api });
  globalThis.sessionStorage = stored;
  await after.session.recover();
  assert.deepEqual(after.states, ["connecting", "live"]);
  const [[key], [keyAfter, ticket]] = asked;
  assert.deepEqual([keyAfter, ticket], [key, PLACE.ticket]);
  assert.equal(stored.size, 0);
  after.session.leave();
});

test("a session can be opened by the site's backend, which is told of the click and of one's turn", async () => {
  const wishes = [];
  const answers = [PLACE, OPENED];
  const fetchSession = async (wish) => (wishes.push(wish), answers.shift());
  const api = { place: async () => ({ ...PLACE, turnSecondsLeft: 30 }) };
  const { session, calls, states } = visit({ fetchSession, init: connect, api });
  await session.recover();
  await session.start({ avatarId: "ada" });
  const [{ idempotencyKey, ...first }, second] = wishes;
  assert.deepEqual(first, { avatarId: "ada" });
  assert.deepEqual(second, { avatarId: "ada", ticket: PLACE.ticket, idempotencyKey });
  assert.deepEqual([calls, states], [[], ["connecting", "live"]]);
  session.leave();
});

test("a backend that opens no session is a problem of its own", async () => {
  const { session, states, problems } = visit({ fetchSession: refuse(new Error("no credit")) });
  await session.start();
  assert.equal(states.at(-1), "problem: fetch-session-failed");
  assert.equal(problems.at(-1).detail, "no credit");
});

for (const [who, asked] of [
  ["a login", { asksLogin: true }],
  ["a broker elsewhere", { broker: "https://broker.example" }],
])
  test(`${who} is not asked where a visitor has only opened a page, but where the page before had a session`, async () => {
    const before = visit({ init: connect, api: asked });
    await before.session.recover();
    assert.deepEqual(before.calls, []);
    await before.session.start();
    before.session.leave();

    const stored = globalThis.sessionStorage;
    const found = visit({ api: { ...asked, sessions: async () => [LEFT] } });
    globalThis.sessionStorage = stored;
    await found.session.recover();
    assert.deepEqual(found.calls, ["resume"]);
    found.session.leave();

    const after = visit({ api: asked });
    globalThis.sessionStorage = stored;
    await after.session.recover();
    assert.deepEqual(after.calls, ["sessions"]);
    assert.equal(stored.size, 0);
  });

test("a place in line is kept for one broker", async () => {
  const elsewhere = { broker: "https://broker.example", place: untilAborted };
  const before = visit({ create: async () => PLACE, api: elsewhere });
  void before.session.start();
  await soon();
  before.session.leave();
  const stored = globalThis.sessionStorage;
  for (const [api, called] of [[{}, ["sessions"]], [elsewhere, []]]) {
    const after = visit({ api });
    globalThis.sessionStorage = stored;
    void after.session.recover();
    await soon();
    assert.deepEqual(after.calls, called);
    after.session.end();
  }
});

test("End while waiting leaves the line at once", async () => {
  const { session, calls, states } = visit({ create: async () => PLACE, api: { place: untilAborted } });
  void session.start();
  await soon();
  session.end();
  await soon();
  assert.deepEqual(calls, ["create", "leaveLine"]);
  assert.deepEqual(states, ["connecting", "ended"]);
});

test("a place that is given after End was clicked is given up", async () => {
  const late = deferred();
  const { session, calls } = visit({ create: () => late.promise });
  const started = session.start();
  await soon();
  session.end();
  late.resolve(PLACE);
  await started;
  await soon();
  assert.deepEqual(calls, ["create", "leaveLine"]);
});

test("starting instead of elsewhere can be ended like any start", async () => {
  const ending = deferred();
  const { session, calls, states } = visit({ init: connect, api: { endAll: () => ending.promise } });
  const started = session.startInstead();
  await soon();
  session.end();
  ending.resolve();
  await started;
  await soon();
  assert.deepEqual(calls, []);
  assert.deepEqual(states, ["connecting", "ended"]);
});

test("the time left is asked for now and then while a session is live", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const times = [];
  const { session } = visit({ init: connect });
  session.on("timeLeft", (seconds) => times.push(seconds));
  await session.start();
  t.mock.timers.tick(30_000);
  await soon();
  assert.deepEqual(times, [100]);
  session.leave();
  t.mock.timers.tick(30_000);
  await soon();
  assert.deepEqual(times, [100]);
});

test("a sign of life that was missed is followed by others soon, and their answer ends the alarm", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const lost = refuse(new Problem("unreachable"));
  const beats = [lost, lost, lost, async () => {}];
  const { session, states } = visit({ init: connect, api: { keepAlive: () => beats.shift()() } });
  const troubles = [];
  session.on("trouble", ({ cause, problem }) => troubles.push([cause, problem?.name ?? null]));
  await session.start();
  const [alarm, calm] = [["connection", "unreachable"], ["connection", null]];
  for (const [ms, expected] of [[10_000, []], [2000, [alarm]], [2000, [alarm]], [2000, [alarm, calm]]]) {
    t.mock.timers.tick(ms);
    await soon();
    assert.deepEqual(troubles, expected);
  }
  assert.equal(states.at(-1), "live");
  session.leave();
});

test("a connection whose loss any call noticed is told to be back", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { session } = visit({ init: connect, api: { interrupt: refuse(new Problem("unreachable")) } });
  const troubles = [];
  session.on("trouble", ({ problem }) => troubles.push(problem));
  await session.start();
  await assert.rejects(session.interrupt());
  t.mock.timers.tick(2000);
  await soon();
  assert.deepEqual(troubles, [null]);
  session.leave();
});

test("a server that could not be reached is no problem any more once it can", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const asked = [refuse(new Problem("unreachable")), async () => []];
  const create = refuse(new Problem("unreachable"));
  const { session, states } = visit({ create, api: { sessions: () => asked.shift()() } });
  await session.resumable.find();
  asked.unshift(refuse(new Problem("unreachable")));
  const started = session.start();
  for (let passed = 0; passed < 6; passed += 1) {
    await soon();
    t.mock.timers.tick(1000);
  }
  await started;
  await soon();
  assert.deepEqual(states, ["connecting", "problem: unreachable", "ready"]);
});

test("an end that got no answer is asked for again", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const ends = [refuse(new Problem("no-answer")), async () => {}];
  const { session } = visit({ init: connect, api: { end: () => ends.shift()() } });
  await session.start();
  session.end();
  await soon();
  assert.equal(ends.length, 1);
  t.mock.timers.tick(3000);
  await soon();
  assert.equal(ends.length, 0);
});

test("where visitors may not end a session, a start that failed turns away from it", async () => {
  const init = refuse(new Error("no picture"));
  const { session, calls } = visit({ init, api: { end: refuse(new Problem("control-not-allowed")) } });
  await session.start();
  await soon();
  assert.deepEqual(calls, ["create", "endSession", "leave"]);
});

/** @param {Error} error */
function refuse(error) {
  return async () => {
    throw error;
  };
}

/** A call that lasts until whoever waits for it gives up. */
function untilAborted(_, { signal }) {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

/** Lets every promise that can go on do so. */
async function soon() {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
