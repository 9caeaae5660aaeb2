import assert from "node:assert/strict";
import test from "node:test";

import { apiControl, sdkControl } from "../../../static/approaches/controls.js";
import { DemoRunner } from "../../../static/approaches/demo-runner.js";
import { DemoSession } from "../../../static/approaches/demo-session.js";
import { createClient } from "../../../static/client/client.js";
import { Problem } from "../../../static/shared/broker/problems.js";
import { watchFetch } from "../../../static/shared/pages/network-calls.js";

globalThis.location = new URL("https://broker.example/approaches");

const PLACE = { ticket: "t-1", position: 2, estimatedSeconds: 40, turnSecondsLeft: null };
const CREATE = "POST /api/create-avatar-session";

const json = (body, status = 200) => Response.json(body, { status });
const problem = (type, status, rest = {}) => json({ type: `/problems/${type}`, title: type, ...rest }, status);
const created = (sessionId) => () => json({ sessionId, token: "t", baseUrl: "https://b" }, 201);

const soon = () => new Promise((resolve) => setImmediate(resolve));
const settle = async () => {
  for (let turn = 0; turn < 20; turn += 1) await soon();
};

const openByFetch = () => fetch("https://broker.example/v1/avatar-session/create", { method: "POST" });

/** The page of the approaches; `answers` says by "METHOD /path" what the broker answers, in order. */
function page(answers = {}, { endSession = async () => {}, createSession = openByFetch, client } = {}) {
  const asked = [];
  const handlers = {};
  const scope = {
    fetch: async (input, { method = "GET", signal } = {}) => {
      const { pathname } = new URL(input, location.href);
      asked.push(`${method} ${pathname}`);
      const given = answers[asked.at(-1)];
      const answer = Array.isArray(given) ? (given.length > 1 ? given.shift() : given[0]) : given;
      if (!answer) return json({});
      const aborted = new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
      return Promise.race([answer(), aborted]);
    },
  };
  const runner = new DemoRunner();
  watchFetch(() => runner.current, scope);
  globalThis.fetch = scope.fetch;
  globalThis.sessionStorage = { getItem: () => null, setItem() {}, removeItem() {} };
  class KalturaAvatarSession {
    on = (event, handler) => (handlers[event] = handler);
    initSession = async () => handlers.stateChange("READY");
    createSession = async () => (await createSession(), handlers.stateChange("READY"));
    endSession = endSession;
  }
  const tools = Promise.resolve({ KalturaAvatarSession, avatarId: "a", client: client ?? createClient() });
  const open = (approach) => {
    const told = [];
    const demo = new DemoSession(approach, { tools, turn: (each) => runner.turn(each), onCall: () => {} });
    demo.on("state", ({ state, problem }) => told.push(problem ? `${state}: ${problem.name}` : state));
    demo.on("waiting", ({ place }) => told.push(place?.position ?? "in line"));
    runner.add(demo);
    return { demo, told };
  };
  return { open, asked, handlers };
}

test("a demo that finds every session taken waits in line, and opens one when it is its turn", async () => {
  const { open, asked } = page({
    [CREATE]: [() => json(PLACE, 202), created("s-1")],
    "GET /api/waiting-room/t-1": [() => json({ ...PLACE, position: 1, turnSecondsLeft: 30 })],
  });
  const { demo, told } = open(apiControl);
  await demo.start();
  assert.deepEqual(told, ["connecting", 2, 1, "live"]);
  assert.deepEqual(asked, [CREATE, "GET /api/waiting-room/t-1", CREATE]);
  demo.end();
});

test("a demo that is ended while it waits leaves the line", async () => {
  const { open, asked } = page({
    [CREATE]: () => json(PLACE, 202),
    "GET /api/waiting-room/t-1": () => new Promise(() => {}),
  });
  const { demo, told } = open(apiControl);
  void demo.start();
  await settle();
  demo.leave();
  await settle();
  assert.deepEqual(told, ["connecting", 2, "ended"]);
  assert.deepEqual(asked, [CREATE, "GET /api/waiting-room/t-1", "POST /api/waiting-room/t-1/leave"]);
});

for (const [name, approach, opens] of [
  ["API control", apiControl, CREATE],
  ["SDK control", sdkControl, "POST /v1/avatar-session/create"],
]) {
  test(`${name}: what the approach ends is not ended twice`, async () => {
    const { open, asked } = page({ [opens]: created("s-1") });
    const { demo } = open(approach);
    await demo.start();
    demo.end();
    await settle();
    const ends = asked.filter((call) => call.endsWith("/end"));
    assert.deepEqual(ends, approach === apiControl ? ["POST /api/avatar-sessions/s-1/end"] : []);
  });

  test(`${name}: what the approach fails to end is ended all the same`, async () => {
    const endSession = async () => Promise.reject(new Error("some versions reject here"));
    const { open, asked } = page({ [opens]: created("s-1") }, { endSession });
    const { demo } = open(approach);
    await demo.start();
    demo.end();
    await settle();
    assert.ok(asked.includes("POST /api/avatar-sessions/s-1/end"));
  });

  test(`${name}: a session that opens after its demo was ended is ended, and not live`, async () => {
    let answer;
    const opening = new Promise((resolve) => (answer = () => resolve(created("s-1")())));
    const { open, asked } = page({ [opens]: () => opening }, { endSession: async () => asked.push("POST by the SDK/end") });
    const { demo, told } = open(approach);
    const started = demo.start();
    await settle();
    demo.end();
    answer();
    await started;
    await settle();
    const end = approach === apiControl ? "POST /api/avatar-sessions/s-1/end" : "POST by the SDK/end";
    assert.deepEqual([told, asked.filter((call) => call.endsWith("/end"))], [["connecting", "ended"], [end]]);
  });

  test(`${name}: a session that is lost is told with the broker's reason`, async () => {
    const { open, handlers } = page({
      [opens]: created("s-1"),
      "GET /api/avatar-sessions/s-1": () => json({ state: "ended", secondsLeft: 0, endReason: "idle" }),
    });
    const { demo, told } = open(approach);
    let reason;
    demo.on("state", ({ problem }) => (reason = problem?.endReason));
    await demo.start();
    handlers.stateChange("ENDED");
    await settle();
    assert.deepEqual([told.at(-1), reason], ["ended: session-ended", "idle"]);
  });
}

test("a session that the SDK opens unseen is live all the same, and the SDK's to end", async () => {
  let ended = 0;
  const { open, asked } = page({}, { createSession: async () => {}, endSession: async () => (ended += 1) });
  const { demo, told } = open(sdkControl);
  await demo.start();
  demo.end();
  await settle();
  assert.deepEqual([told, ended, asked], [["connecting", "live", "ended"], 1, []]);
});

test("a text that comes too late tells that its session has ended, and another can be opened", async () => {
  const late = () => problem("session-ended", 410);
  const { open } = page({ [CREATE]: [created("s-1"), created("s-2")], "POST /api/avatar-sessions/s-1/speak": late });
  const { demo, told } = open(apiControl);
  await demo.start();
  await assert.rejects(demo.speak("Too late.", "t-1"));
  await settle();
  assert.deepEqual(told, ["connecting", "live", "ended: session-ended"]);
  await demo.start();
  assert.equal(told.at(-1), "live");
  demo.end();
});

for (const error of [new TypeError("Not so."), new Problem("unreachable")])
  test(`an approach that fails with "${error.message}" is not run again, which might open a second session`, async () => {
    let runs = 0;
    const { open } = page({}, { client: { open: async () => ((runs += 1), Promise.reject(error)) } });
    const { demo, told } = open(apiControl);
    await demo.start();
    assert.deepEqual([told, runs], [["connecting", "problem: player-error"], 1]);
  });

test("a session that a visitor may not end is left, so that the broker ends it", async () => {
  const endSession = async () => Promise.reject(new Error());
  const answers = { [CREATE]: created("s-1"), "POST /api/avatar-sessions/s-1/end": () => problem("control-not-allowed", 403) };
  const { open, asked } = page(answers, { endSession });
  const { demo } = open(apiControl);
  await demo.start();
  demo.end();
  await settle();
  assert.equal(asked.at(-1), "POST /api/avatar-sessions/s-1/leave");
});

test("one demo runs at a time, and the next opens nothing until the last one's session is ended", async () => {
  let endFirst;
  const ending = new Promise((resolve) => (endFirst = () => resolve(json({}))));
  const { open, asked } = page({
    [CREATE]: [created("s-1"), created("s-2")],
    "POST /api/avatar-sessions/s-1/end": () => ending,
  });
  const [first, second] = [open(apiControl), open(apiControl)];
  await first.demo.start();
  const next = second.demo.start();
  await settle();
  assert.deepEqual([first.told.at(-1), second.told.at(-1)], ["ended", "connecting"]);
  assert.equal(asked.filter((call) => call === CREATE).length, 1);
  endFirst();
  await next;
  assert.equal(second.told.at(-1), "live");
  second.demo.end();
});


test("while the page goes, a session is ended before anything is waited for", async () => {
  const { open, asked } = page({ [CREATE]: created("s-1") }, { endSession: () => new Promise(() => {}) });
  const { demo } = open(apiControl);
  await demo.start();
  demo.leave();
  assert.equal(asked.at(-1), "POST /api/avatar-sessions/s-1/end");
});
