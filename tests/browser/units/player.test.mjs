import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";

import { KalturaAvatarSession } from "../../../static/player/index.js";

const BASE = "http://127.0.0.1:1/v1/avatar-session";
const CREDENTIALS = { sessionId: "s-1", token: "a.b.c" };
const KEEP_ALIVE_MS = 10_000;

/** Every call as "METHOD path"; what the server answers by the last part of the path. */
let calls;
let answers;
/** What shall happen when the page goes away. */
let farewells;

class FakePeer {
  iceGatheringState = "complete";
  iceConnectionState = "connected";
  localDescription = { type: "offer", sdp: "offer" };
  static made = [];

  constructor(configuration) {
    this.configuration = configuration;
    this.directions = [];
    this.closed = false;
    FakePeer.made.push(this);
  }

  static get latest() {
    return FakePeer.made.at(-1);
  }

  addTransceiver(kind, { direction }) {
    this.directions.push(`${kind} ${direction}`);
  }

  getConfiguration() {
    return this.configuration;
  }

  addEventListener() {}
  async setLocalDescription() {}
  async setRemoteDescription() {}

  close() {
    this.closed = true;
  }
}

beforeEach(() => {
  calls = [];
  farewells = [];
  FakePeer.made = [];
  globalThis.addEventListener = (event, handler) => event === "pagehide" && farewells.push(handler);
  answers = {
    create: { success: true, ...CREDENTIALS },
    "init-client": { success: true, whepUrl: "http://127.0.0.1:1/whep/session/s", turn: null },
  };
  globalThis.RTCPeerConnection = FakePeer;
  globalThis.MediaStream = class {
    getTracks = () => [];
    getAudioTracks = () => [];
  };
  globalThis.document = {
    createElement: () => ({ readyState: 4, play: async () => {}, addEventListener() {}, remove() {} }),
  };
  globalThis.fetch = async (url, { method, headers, body }) => {
    const { pathname } = new URL(url);
    const operation = pathname.split("/").pop();
    // The answer to DELETE takes its time, so that whoever does not wait for it is found out.
    if (method === "DELETE") await new Promise((resolve) => setImmediate(resolve));
    calls.push({ line: `${method} ${pathname}`, headers, body });
    if (method === "DELETE") return new Response(null, { status: 200 });
    if (pathname.startsWith("/whep/"))
      return new Response("answer", { status: 201, headers: { Location: "/whep/session/s/viewer/v" } });
    const { status = 200, ...answer } = answers[operation] ?? { success: true };
    return new Response(JSON.stringify(answer), { status });
  };
});

const lines = () => calls.map(({ line }) => line);

function session() {
  const told = [];
  const player = new KalturaAvatarSession(undefined, { baseUrl: BASE });
  for (const event of ["stateChange", "connectionChange"]) player.on(event, (state) => told.push(state));
  player.on("error", ({ code }) => told.push(code));
  return { player, told };
}

test("both known forms of the constructor are understood", () => {
  assert.equal(new KalturaAvatarSession({ baseUrl: BASE }).getSessionState(), "IDLE");
  assert.equal(new KalturaAvatarSession("ks", { baseUrl: BASE }).getConnectionState(), "DISCONNECTED");
  assert.throws(() => new KalturaAvatarSession("ks"), { code: "invalid-argument" });
  assert.throws(() => new KalturaAvatarSession(), { code: "invalid-argument" });
});

test("initSession goes through the documented states to READY", async () => {
  const { player, told } = session();
  await player.initSession(CREDENTIALS);
  assert.deepEqual(told, ["CREATING", "CONNECTING", "CONNECTED", "READY"]);
  assert.deepEqual(FakePeer.latest.directions, ["video recvonly", "audio recvonly"]);
  assert.equal(calls[0].headers.Authorization, "Bearer a.b.c");
  assert.equal(calls[1].headers.Authorization, undefined);
  await player.endSession();
});

test("what was prepared is gone on with where no relay is needed", async () => {
  const { player } = session();
  const prepared = KalturaAvatarSession.prepare();
  await player.initSession(CREDENTIALS, { prepared });
  assert.deepEqual(FakePeer.made, [prepared.peer]);
  assert.equal(prepared.peer.closed, false);
  await player.endSession();
});

for (const [why, answer, peers] of [
  ["a relay is needed", { turn: { url: "turn:relay.example:443" } }, 2],
  ["the picture's address is refused", { whepUrl: "http://[" }, 1],
  ["there is no session any more", { status: 404, success: false, error: "gone" }, 1],
]) {
  test(`what was prepared is closed where ${why}`, async () => {
    const { player } = session();
    const prepared = KalturaAvatarSession.prepare();
    answers["init-client"] = { ...answers["init-client"], ...answer };
    await player.initSession(CREDENTIALS, { prepared }).catch(() => {});
    assert.equal(FakePeer.made.length, peers);
    assert.equal(prepared.peer.closed, true);
    await player.endSession();
  });
}

test("to the page's own origin a token goes in the broker's header", async () => {
  globalThis.location = new URL(BASE);
  try {
    const player = new KalturaAvatarSession("any word", { baseUrl: BASE });
    await player.createSession({ avatarId: "a" });
    const sent = calls.map(({ headers }) => [headers?.["Avatar-Token"], headers?.Authorization]);
    assert.deepEqual(sent.slice(0, 2), [["any word", undefined], ["a.b.c", undefined]]);
    await player.endSession();
  } finally {
    delete globalThis.location;
  }
});

test("createSession opens the session with the Kaltura Session first", async () => {
  const player = new KalturaAvatarSession("the-ks", { baseUrl: BASE });
  await player.createSession({ avatarId: "a", voiceId: "eself-1" });
  assert.equal(calls[0].line, "POST /v1/avatar-session/create");
  assert.equal(calls[0].headers.Authorization, "KS the-ks");
  assert.deepEqual(JSON.parse(calls[0].body).voiceConfig, { id: "eself-1" });
  await player.endSession();
  await assert.rejects(session().player.createSession({ avatarId: "a" }), { code: "invalid-argument" });
});

test("the viewer's place is given back before the session ends, and both only once", async () => {
  const { player, told } = session();
  await player.initSession(CREDENTIALS);
  calls = [];
  await player.endSession();
  await player.endSession();
  assert.deepEqual(lines(), ["DELETE /whep/session/s/viewer/v", "POST /v1/avatar-session/s-1/end"]);
  assert.deepEqual(told.slice(-2), ["ENDED", "CLOSED"]);
});

test("a page that goes away gives the viewer's place back and ends nothing", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { player } = session();
  await player.initSession(CREDENTIALS);
  calls = [];
  for (const farewell of farewells) farewell();
  await beat(t);
  assert.deepEqual(lines(), ["DELETE /whep/session/s/viewer/v"]);
});

for (const status of [401, 404, 410]) {
  test(`keep-alive stops for good at ${status}, and the session has ended`, async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { player } = session();
    await player.initSession(CREDENTIALS);
    calls = [];
    await beat(t);
    assert.deepEqual(lines(), ["POST /v1/avatar-session/s-1/keep-alive"]);
    answers["keep-alive"] = { status, success: false, error: "over" };
    await beat(t);
    assert.equal(player.getSessionState(), "ENDED");
    calls = [];
    await beat(t);
    await beat(t);
    assert.deepEqual(lines(), []);
  });
}

test("keep-alive outlives a bad moment of the server", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { player } = session();
  await player.initSession(CREDENTIALS);
  answers["keep-alive"] = { status: 503, success: false, error: "busy" };
  calls = [];
  for (let count = 0; count < 3; count += 1) await beat(t);
  assert.equal(lines().length, 3);
  assert.equal(player.getSessionState(), "READY");
  await player.endSession();
});

test("a 200 that says it did not succeed is an error", async () => {
  const { player, told } = session();
  answers["init-client"] = { success: false, error: "Session not found" };
  await assert.rejects(player.initSession(CREDENTIALS), /Session not found/);
  assert.deepEqual(told, ["CREATING", "control-200", "ERROR"]);
});

test("speech goes to the documented operations", async () => {
  const { player } = session();
  await player.initSession(CREDENTIALS);
  calls = [];
  await player.sayText("Hello");
  await player.sayAudio(new Blob(["mp3"]), "turn-9", 1.5);
  await player.interrupt();
  const [text, audio, interrupt] = calls;
  assert.match(JSON.parse(text.body).turnId, /^turn-\d+-\w+$/);
  assert.equal(JSON.parse(text.body).isFinal, true);
  assert.deepEqual([audio.body.get("turnId"), audio.body.get("duration")], ["turn-9", "1.5"]);
  assert.equal(audio.headers["Content-Type"], undefined);
  assert.equal(interrupt.line, "POST /v1/avatar-session/s-1/interrupt");
  await player.endSession();
  await assert.rejects(player.sayText("Too late"), { code: "invalid-state" });
});

test("ending a session that is already gone is no error", async () => {
  const { player } = session();
  await player.initSession(CREDENTIALS);
  answers.end = { status: 404, success: false, error: "Session not found" };
  await player.endSession();
  assert.equal(player.getSessionState(), "ENDED");
});

test("a handler that was taken off is no longer told", async () => {
  const { player } = session();
  const told = [];
  const note = (state) => told.push(state);
  player.on("stateChange", note);
  player.off("stateChange", note);
  await player.initSession(CREDENTIALS);
  assert.deepEqual(told, []);
  await player.endSession();
});

/** Lets the time of one heartbeat pass, and every promise that can go on do so. */
async function beat(t) {
  t.mock.timers.tick(KEEP_ALIVE_MS);
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
