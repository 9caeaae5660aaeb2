import assert from "node:assert/strict";
import test from "node:test";

import { BrokerApi } from "../../../static/shared/broker/broker-api.js";

const BROKER = "https://broker.example";
const SESSION = { sessionId: "s-1", token: "a.b.c" };
const UNKNOWN = { type: "/problems/unauthenticated", title: "T", detail: "D", requestId: "r" };

/** A `BrokerApi` of another origin's page; what it asked can be read. Answers 401 to `expired` tokens. */
function api(options) {
  const asked = [];
  const fetch = async (address, { headers, credentials }) => {
    asked.push({ address, headers, credentials });
    const refused = headers.Authorization === "Bearer expired";
    return new Response(JSON.stringify(refused ? UNKNOWN : { ...SESSION, sessions: [] }), { status: refused ? 401 : 200 });
  };
  return { api: new BrokerApi({ broker: `${BROKER}/`, fetch, ...options }), asked };
}

/** A browser's storage for one test. */
function storage(t, stored = new Map()) {
  globalThis.localStorage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value) };
  t.after(() => delete globalThis.localStorage);
  return stored;
}

const names = (asked) => asked.map(({ headers }) => headers["Avatar-Visitor"]);

test("a page of another origin calls the broker by its address, and sends it no cookie", async (t) => {
  storage(t);
  const { api: broker, asked } = api();
  await broker.create("a-key");
  await broker.follow(SESSION, "", AbortSignal.timeout(1000));
  assert.deepEqual(
    asked.map(({ address, credentials }) => [address, credentials]),
    [
      [`${BROKER}/api/create-avatar-session`, "omit"],
      [`${BROKER}/api/avatar-sessions/s-1/events`, "omit"],
    ],
  );
});

test("a visitor without a cookie has one name in every call, after a reload too", async (t) => {
  storage(t);
  const before = api();
  await before.api.create("a-key");
  await before.api.speak(SESSION, "Hello.", "t-1");
  const after = api();
  await after.api.sessions();
  const [name, ...others] = [...names(before.asked), ...names(after.asked)];
  assert.match(name, /^[0-9a-f]{64}$/);
  assert.deepEqual(others, [name, name]);
});

test("a visitor who only looks at a page is given no name", async (t) => {
  const stored = storage(t);
  const { api: broker, asked } = api();
  await broker.sessions();
  assert.deepEqual([names(asked), stored.size], [[undefined], 0]);
});

test("a visitor has another name at another broker", async (t) => {
  storage(t);
  const [one, other] = [api(), api({ broker: "https://other.example" })];
  await one.api.create("a-key");
  await other.api.create("a-key");
  assert.notEqual(names(one.asked)[0], names(other.asked)[0]);
});

test("a page in a frame names its visitor, since no cookie may come from there", async (t) => {
  storage(t);
  globalThis.window = globalThis;
  globalThis.top = {};
  t.after(() => {
    delete globalThis.window;
    delete globalThis.top;
  });
  const { api: framed, asked } = api({ broker: undefined });
  await framed.create("a-key");
  await framed.sessions();
  const [name, same] = names(asked);
  assert.ok(name);
  assert.equal(same, name);
});

test("a browser that stores nothing has one name until the page goes", async (t) => {
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get: () => {
      throw new DOMException("no storage", "SecurityError");
    },
  });
  t.after(() => delete globalThis.localStorage);
  const { api: broker, asked } = api();
  await broker.create("a-key");
  await broker.sessions();
  const [name, same] = names(asked);
  assert.ok(name);
  assert.equal(same, name);
});

test("a name of the site's own choice is sent as it is", async () => {
  const { api: broker, asked } = api({ visitor: "v".repeat(43) });
  await broker.sessions();
  assert.deepEqual(names(asked), ["v".repeat(43)]);
});

test("a login's token is asked for at create, resume and listing, and not for a session's own calls", async () => {
  const reasons = [];
  const { api: broker, asked } = api({ getAuthToken: async ({ reason }) => (reasons.push(reason), "login") });
  await broker.create("a-key");
  await broker.sessions();
  await broker.resume({ sessionId: "s-1" });
  await broker.interrupt(SESSION);
  await broker.leaveLine("t-1");
  assert.deepEqual(reasons, ["create", "resume", "resume"]);
  const sent = asked.map(({ headers }) => [headers.Authorization, headers["Avatar-Token"], headers["Avatar-Visitor"]]);
  const login = ["Bearer login", undefined, undefined];
  assert.deepEqual(sent, [login, login, login, [undefined, "a.b.c", undefined], [undefined, undefined, undefined]]);
});

test("a login's token that the broker refuses is asked for once more", async () => {
  const tokens = ["expired", "new"];
  const reasons = [];
  const getAuthToken = async ({ reason }) => (reasons.push(reason), tokens.shift() ?? "expired");
  const { api: broker, asked } = api({ getAuthToken });
  await broker.create("a-key");
  assert.deepEqual(reasons, ["create", "expired"]);
  await assert.rejects(broker.create("a-key"), { name: "unauthenticated" });
  assert.equal(asked.length, 4);
});

test("a login that gives no token is a problem of its own, and nothing is asked of the broker", async () => {
  const getAuthToken = async () => {
    throw new Error("signed out");
  };
  const { api: broker, asked } = api({ getAuthToken });
  await assert.rejects(broker.create("a-key"), { name: "auth-token-failed", detail: "signed out" });
  assert.equal(asked.length, 0);
});
