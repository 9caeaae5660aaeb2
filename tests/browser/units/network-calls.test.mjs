import assert from "node:assert/strict";
import test from "node:test";

import { watchFetch } from "../../../static/shared/pages/network-calls.js";

globalThis.location = new URL("https://broker.example/approaches");

const watcher = () => {
  const seen = { calls: [], sessions: [] };
  return { ...seen, called: (call) => seen.calls.push(call), opened: (opened) => seen.sessions.push(opened) };
};
const watched = (watching, fetch) => {
  const scope = { fetch };
  watchFetch(watching, scope);
  return scope.fetch;
};
const created = async () => new Response('{"sessionId":"s","token":"t"}', { status: 201 });

test("a call is told with its method, path and status, however it is made", async () => {
  const one = watcher();
  const fetch = watched(() => one, async () => new Response("", { headers: { "X-Request-ID": "r" } }));
  await fetch("/api/avatar-sessions/s/speak", { method: "post" });
  await fetch(new Request("https://media.example/whep", { method: "DELETE" }));
  await fetch(new URL("https://broker.example/v1/avatar-session/s/end"));
  const told = one.calls.map(({ by, method, path, status, requestId }) => [by, method, path, status, requestId]);
  assert.deepEqual(told, [
    ["page", "POST", "/api/avatar-sessions/s/speak", 200, "r"],
    ["player", "DELETE", "https://media.example/whep", 200, "r"],
    ["player", "GET", "/v1/avatar-session/s/end", 200, "r"],
  ]);
});

test("a call without an answer is told too, and fails as it would have", async () => {
  const one = watcher();
  const failure = new TypeError("Failed to fetch");
  const fetch = watched(() => one, () => Promise.reject(failure));
  await assert.rejects(fetch("/api/create-avatar-session"), failure);
  assert.equal(one.calls[0].status, null);
  assert.deepEqual(one.sessions, []);
});

test("a call belongs to whoever watched when it began", async () => {
  const [before, after] = [watcher(), watcher()];
  let watching = before;
  let answer;
  const fetch = watched(() => watching, () => new Promise((resolve) => (answer = resolve)));
  const call = fetch("/v1/avatar-session/s/end");
  watching = after;
  answer(new Response(""));
  await call;
  assert.deepEqual([before.calls.length, after.calls.length], [1, 0]);
});

test("a session that is opened or resumed is told, and its answer can still be read", async () => {
  const opens = ["/api/create-avatar-session", "/api/avatar-sessions/s/resume", "/v1/avatar-session/create", "/v1/avatar-session"];
  for (const path of opens) {
    const one = watcher();
    const answer = await watched(() => one, created)(path);
    assert.deepEqual(one.sessions, [{ sessionId: "s", token: "t" }]);
    assert.equal((await answer.json()).token, "t");
  }
});

test("only this broker's own create opens a session, and only when it succeeds", async () => {
  const one = watcher();
  await watched(() => one, created)("https://other.example/v1/avatar-session/create");
  await watched(() => one, created)("/v1/avatar-session/s/say-text");
  await watched(() => one, async () => new Response("{}", { status: 429 }))("/v1/avatar-session/create");
  assert.deepEqual(one.sessions, []);
});

test("an answer that names no session reaches its caller as it is", async () => {
  for (const body of ["", "null", "{}", "<h1>"]) {
    const one = watcher();
    const answer = await watched(() => one, async () => new Response(body))("/api/create-avatar-session");
    assert.equal(await answer.text(), body);
    assert.deepEqual([one.sessions, one.calls.length], [[], 1]);
  }
});

test("while nobody watches, calls go through untold", async () => {
  const answer = await watched(() => null, created)("/api/create-avatar-session");
  assert.equal(answer.status, 201);
});
