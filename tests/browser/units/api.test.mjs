import assert from "node:assert/strict";
import test from "node:test";

import { BrokerApi } from "../../../static/shared/broker/broker-api.js";

const SESSION = { sessionId: "s/1", token: "a.b.c" };

/** A `BrokerApi` whose server answers as given; what was asked of it can be read. */
function api(answer, caller = {}) {
  const asked = [];
  const fetch = async (path, init) => {
    asked.push({ path, ...init });
    return answer();
  };
  return { api: new BrokerApi({ ...caller, fetch }), asked };
}

const json = (body, init) => () => new Response(JSON.stringify(body), init);

test("create sends its key, and tells when it was answered by the server's clock", async () => {
  const headers = { Date: "Sun, 22 Nov 2026 11:00:00 GMT" };
  const { api: broker, asked } = api(json(SESSION, { status: 201, headers }));
  const { answeredAt } = await broker.create("a-key");
  assert.equal(answeredAt, Date.parse(headers.Date));
  assert.equal(asked[0].headers["Idempotency-Key"], "a-key");
  assert.equal(asked[0].body, "{}");
  assert.deepEqual([asked[0].method, asked[0].path], ["POST", "/api/create-avatar-session"]);
});

test("a control call carries the token in its header and nowhere else", async () => {
  const { api: broker, asked } = api(json({ success: true, turnId: "t-1" }));
  await broker.speak(SESSION, "Hello");
  await broker.end(SESSION);
  const [speak, end] = asked;
  assert.equal(speak.path, "/api/avatar-sessions/s%2F1/speak");
  assert.equal(speak.headers["Avatar-Token"], "a.b.c");
  assert.deepEqual(JSON.parse(speak.body), { text: "Hello" });
  assert.deepEqual([end.body, end.keepalive], [undefined, true]);
  assert.ok(!(speak.path + speak.body).includes("a.b.c"));
});

test("what is said as the page goes outlives it", async () => {
  const { api: broker, asked } = api(json({ success: true }));
  await broker.leave(SESSION);
  await broker.leaveLine("t/1");
  assert.deepEqual(
    asked.map(({ method, path, keepalive }) => [method, path, keepalive]),
    [
      ["POST", "/api/avatar-sessions/s%2F1/leave", true],
      ["POST", "/api/waiting-room/t%2F1/leave", true],
    ],
  );
});

test("create answers with a session or a place in line, and takes a turn by its ticket", async () => {
  const place = { ticket: "t-1", position: 3, estimatedSeconds: 40, turnSecondsLeft: null };
  const { api: broker, asked } = api(json(place, { status: 202 }));
  assert.deepEqual(await broker.create("a-key", { ticket: "t-1", avatarId: "ada" }), place);
  assert.deepEqual(JSON.parse(asked[0].body), { ticket: "t-1", avatarId: "ada" });
});

test("a place is asked for until it changes, or until nobody waits any more", async () => {
  const { api: broker, asked } = api(json({ ticket: "t-1" }));
  const cancelled = new AbortController();
  await broker.place("t/1", { waitSeconds: 20, signal: cancelled.signal });
  assert.equal(asked[0].path, "/api/waiting-room/t%2F1?wait=20");
  assert.ok(!asked[0].signal.aborted);
  cancelled.abort();
  assert.ok(asked[0].signal.aborted);
});

test("a session is resumed by the visitor's cookie, or by its token where the page has it", async () => {
  const { api: broker, asked } = api(json({ ...SESSION, secondsLeft: 300 }));
  assert.equal((await broker.resume({ sessionId: "s/1" })).secondsLeft, 300);
  await broker.resume(SESSION);
  assert.equal(asked[0].path, "/api/avatar-sessions/s%2F1/resume");
  assert.deepEqual(
    asked.map(({ headers, credentials }) => [headers, credentials]),
    [
      [{}, "same-origin"],
      [{ "Avatar-Token": "a.b.c" }, "same-origin"],
    ],
  );
});

test("every session of the visitor is ended, whichever tab it is in", async () => {
  const { api: broker, asked } = api(json({ sessions: [SESSION, { sessionId: "s-2" }] }));
  await broker.endAll();
  assert.deepEqual(
    asked.map(({ path }) => path).slice(1),
    ["/api/avatar-sessions/s%2F1/end", "/api/avatar-sessions/s-2/end"],
  );
});

test("a problem is thrown as one", async () => {
  const problem = { type: "/problems/kaltura-busy", title: "T", detail: "D.", requestId: "r" };
  const { api: broker } = api(json(problem, { status: 503, headers: { "Retry-After": "7" } }));
  await assert.rejects(broker.interrupt(SESSION), { name: "kaltura-busy", retryAfter: 7 });
});

test("no answer is a problem too", async () => {
  const { api: broker } = api(() => {
    throw new TypeError("Failed to fetch");
  });
  await assert.rejects(broker.keepAlive(SESSION), { name: "unreachable" });
});
