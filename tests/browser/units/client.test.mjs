import assert from "node:assert/strict";
import test from "node:test";

import { createClient, createServiceClient } from "../../../static/client/index.js";

const BROKER = "https://broker.example";
const OPENED = { sessionId: "s-1", token: "a.b.c", baseUrl: `${BROKER}/v1`, secondsLeft: 900, expiresAt: "" };
const PLACE = { ticket: "t-1", position: 2, estimatedSeconds: 40, turnSecondsLeft: null };
const SPOKEN = { success: true, turnId: "t" };

const lost = () => {
  throw new TypeError("fetch failed");
};
const json = (body, status = 200) => () => new Response(JSON.stringify(body), { status });
const problem = (name, status) => json({ type: `/problems/${name}`, title: "T", detail: "D", requestId: "r" }, status);

/** A `fetch` whose broker answers each call to a path with the next of a list; what was asked can be read. */
function fake(answers) {
  const asked = [];
  const fetch = async (address, { headers, body }) => {
    const path = new URL(address).pathname.replace("/api/", "").replace("avatar-sessions/s-1/", "");
    asked.push({ path, headers, body: typeof body === "string" ? JSON.parse(body) : body });
    const next = answers[path]?.shift();
    assert.ok(next, `nothing more was expected to be asked of ${path}`);
    return next(body);
  };
  return { fetch, asked, paths: () => asked.map(({ path }) => path) };
}

async function opened(answers) {
  const broker = fake({ "create-avatar-session": [json(OPENED, 201)], ...answers });
  const session = await createClient({ broker: BROKER, fetch: broker.fetch }).open();
  return { session, ...broker };
}

/** Lets `t`'s timers run out, however many follow each other, until a promise is settled. */
async function hurry(t, promise) {
  let settled = false;
  const mark = () => (settled = true);
  promise.then(mark, mark);
  while (!settled) {
    t.mock.timers.tick(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return promise;
}

async function* written(...words) {
  yield* words;
}

test("whoever waits is told the place, and is let in with one key, a lost answer included", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { fetch, asked } = fake({
    "create-avatar-session": [lost, json(PLACE, 202), json(OPENED, 201)],
    "waiting-room/t-1": [json({ ...PLACE, turnSecondsLeft: 30 })],
  });
  const places = [];
  const options = { avatarId: "ada", onWaiting: ({ place }) => places.push(place.position) };
  const session = await hurry(t, createClient({ broker: BROKER, fetch }).open(options));
  assert.equal(session.sessionId, "s-1");
  assert.deepEqual(places, [2, 2]);
  const creates = asked.filter(({ path }) => path === "create-avatar-session");
  assert.equal(new Set(creates.map(({ headers }) => headers["Idempotency-Key"])).size, 1);
  assert.deepEqual(creates.map(({ body }) => body), [{ avatarId: "ada" }, { avatarId: "ada" }, { avatarId: "ada", ticket: "t-1" }]);
});

test("a session that opens after all, though nobody wants it any more, is ended", async () => {
  const given = new AbortController();
  const late = () => {
    given.abort(new Error("changed my mind"));
    return json(OPENED, 201)();
  };
  const { fetch, paths } = fake({ "create-avatar-session": [late], end: [json({ success: true })] });
  const opening = createClient({ broker: BROKER, fetch }).open({ signal: given.signal });
  await assert.rejects(opening, { message: "changed my mind" });
  assert.deepEqual(paths(), ["create-avatar-session", "end"]);
});

test("whoever gives up while waiting leaves the line", async () => {
  const given = new AbortController();
  const { fetch, paths } = fake({ "create-avatar-session": [json(PLACE, 202)], "waiting-room/t-1/leave": [json({})] });
  const options = { signal: given.signal, onWaiting: () => given.abort(new Error("too long")) };
  await assert.rejects(createClient({ broker: BROKER, fetch }).open(options), { message: "too long" });
  assert.equal(paths().at(-1), "waiting-room/t-1/leave");
});

test("the seconds left are counted from the answer on", async (t) => {
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const { session } = await opened();
  now = 1500;
  assert.equal(session.secondsLeft, 898.5);
  now = 1e9;
  assert.equal(session.secondsLeft, 0);
});

for (const [fate, told] of [
  [{ state: "done" }, "done"],
  [{ state: "queued" }, "queued"],
])
  test(`a text whose answer was lost and that is ${told} is not said again`, async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { session, paths } = await opened({ speak: [lost], utterances: [lost, json({ utterances: [{ turnId: "t", ...fate }] })] });
    assert.deepEqual(await hurry(t, session.speak("Hello.", { turnId: "t" })), { turnId: "t", state: told });
    assert.equal(paths().filter((path) => path === "speak").length, 1);
  });

test("a text whose answer was lost and that never arrived is told to have failed", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const none = json({ utterances: [] });
  const { session } = await opened({ speak: [lost], utterances: [none, none, none] });
  await assert.rejects(hurry(t, session.speak("Hello.")), { name: "unreachable" });
});

test("a text whose answer was lost and that failed is told why", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const failed = { turnId: "t", state: "failed", reason: "kaltura-busy" };
  const { session } = await opened({ speak: [lost], utterances: [json({ utterances: [failed] })] });
  await assert.rejects(hurry(t, session.speak("Hello.", { turnId: "t" })), { name: "kaltura-busy" });
});

test("nobody asks for a lost answer when the session is gone, or for more than a minute", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const gone = await opened({ speak: [lost], utterances: [problem("session-ended", 410)] });
  await assert.rejects(hurry(t, gone.session.speak("Hello.")), { name: "unreachable" });

  let now = 0;
  t.mock.method(performance, "now", () => (now += 1000));
  const cutOff = await opened({ speak: [lost], utterances: Array(60).fill(lost) });
  await assert.rejects(hurry(t, cutOff.session.speak("Hello.")), { name: "unreachable" });
});

test("a refusal is thrown at once", async () => {
  const { session } = await opened({ speak: [problem("speech-refused", 422)] });
  await assert.rejects(session.speak("Hello."), { name: "speech-refused", title: "T", detail: "D", requestId: "r" });
});

test("a text that is being written goes as lines while it is written", async () => {
  const lines = [];
  const read = async (body) => {
    for await (const chunk of body) lines.push(JSON.parse(new TextDecoder().decode(chunk)));
    return json({ ...SPOKEN, state: "queued" })();
  };
  const { session, asked } = await opened({ speak: [read] });
  const receipt = await session.speak(written("Hel", "lo. ", "How are you?"), { turnId: "t" });
  assert.deepEqual(receipt, { turnId: "t", state: "queued" });
  assert.deepEqual(lines, [{ text: "Hel" }, { text: "lo. " }, { text: "How are you?" }]);
  assert.equal(asked.at(-1).headers["Content-Type"], "application/x-ndjson");
});

test("a writer that breaks off is told its own error", async () => {
  async function* broken() {
    yield "Hello. ";
    throw new Error("the model is out");
  }
  const read = async (body) => {
    for await (const chunk of body) assert.ok(chunk);
  };
  const { session } = await opened({ speak: [read] });
  await assert.rejects(session.speak(broken()), { message: "the model is out" });
});

test("a writer whose text nobody reads any more is stopped", async () => {
  let stopped = false;
  async function* endless() {
    try {
      for (;;) yield "On and on. ";
    } finally {
      stopped = true;
    }
  }
  const { session } = await opened({ speak: [json({ ...SPOKEN, state: "interrupted" })] });
  const { state } = await session.speak(endless(), { turnId: "t" });
  assert.equal(state, "interrupted");
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(stopped);
});

test("a browser says a text that is being written sentence by sentence, as parts of one turn", async (t) => {
  globalThis.document = {};
  t.after(() => delete globalThis.document);
  const { session, asked } = await opened({ speak: [json(SPOKEN), json(SPOKEN), json(SPOKEN)] });
  await session.speak(written("Dear Dr. ", "Lee, hel", "lo. How are", " you? I am", " fine"), { turnId: "t" });
  assert.deepEqual(
    asked.slice(1).map(({ body }) => body),
    [
      { text: "Dear Dr. Lee, hello. ", turnId: "t", isFinal: false },
      { text: "How are you? ", turnId: "t", isFinal: false },
      { text: "I am fine", turnId: "t" },
    ],
  );
});

test("in a browser a Stop stops what is still being written", async (t) => {
  globalThis.document = {};
  t.after(() => delete globalThis.document);
  const { session, paths } = await opened({ speak: [json(SPOKEN)], interrupt: [json({ success: true })] });
  let ended = false;
  async function* long() {
    try {
      yield "One. Two";
      await session.interrupt();
      yield ". Three";
      yield ". Four.";
    } finally {
      ended = true;
    }
  }
  assert.equal((await session.speak(long())).state, "interrupted");
  assert.deepEqual(paths().slice(1), ["speak", "interrupt"]);
  assert.ok(ended);
});

test("a service sends its token, and gives the page what create answered", async () => {
  const { fetch, asked } = fake({ "create-avatar-session": [json(OPENED, 201), json(PLACE, 202)], interrupt: [json({})] });
  const service = createServiceClient({ broker: BROKER, serviceToken: "secret", fetch });
  assert.deepEqual(await service.createSession({ idempotencyKey: "k", avatarId: "ada" }), OPENED);
  assert.deepEqual(await service.createSession({ ticket: "t-1" }), PLACE);
  await service.interrupt("s-1");
  assert.deepEqual(asked.map(({ headers }) => headers.Authorization), Array(3).fill("Bearer secret"));
  assert.deepEqual([asked[0].headers["Idempotency-Key"], asked[0].body], ["k", { avatarId: "ada" }]);
});
