import assert from "node:assert/strict";
import test from "node:test";

import { KalturaAvatarFrame } from "../../../static/embed/avatar-frame.js";
import { ElementRemote } from "../../../static/embed/element-remote.js";
import { HELLO, PortCalls, WELCOME } from "../../../static/embed/port-calls.js";
import { Problem } from "../../../static/shared/broker/problems.js";

const SHOP = "https://shop.example";
const ANCESTORS = [SHOP, "https://*.example.org"];

/** An element in a frame, and the page around it; what each was asked and told can be read. */
class Scene extends EventTarget {
  asked = [];
  handed = [];
  parent = { postMessage: (data, origin, ports) => this.handed.push({ data, origin, ports }) };

  constructor(t) {
    super();
    t.after(() => this.handed.forEach(({ ports }) => ports[0].close()));
    const element = (this.element = Object.assign(new EventTarget(), { state: "ready", sessionId: null, utterances: [], problem: null }));
    for (const name of ["start", "speak", "speakAudio", "interrupt", "end", "leaveLine", "unmute"])
      element[name] = (...given) => (this.asked.push([name, ...given]), `${name} done`);
    element.token = "a.b.c";
    this.remote = new ElementRemote(element, this, ANCESTORS);
  }

  /** Somebody sends a message to the frame. */
  hear(data, { origin = SHOP, source = this.parent } = {}) {
    this.dispatchEvent(Object.assign(new Event("message"), { data, origin, source, ports: [] }));
  }

  /** The page says hello, and calls by the port that it is given. */
  connect(functions = {}) {
    this.hear(HELLO);
    const { data, origin, ports } = this.handed.at(-1);
    assert.deepEqual([data, origin], [WELCOME, SHOP]);
    return { port: ports[0], calls: new PortCalls(ports[0], functions) };
  }
}

/** Numbers that are the same in each run. */
function dice(seed) {
  return (sides) => ((seed = (seed * 48271) % 2147483647), seed % sides);
}

/** Anything that a message can be. */
function anything(roll, depth = 0) {
  const cyclic = {};
  cyclic.self = cyclic;
  const leaves = [HELLO, WELCOME, "", "start", "constructor", "__proto__", "x".repeat(9999), 0, -1, NaN, 2n ** 70n, true, null, undefined, cyclic, new Date(0), new Map([[1, 2]]), new Uint8Array(3), new Error("e")];
  const kinds = ["leaf", "leaf", "list", "call", "answer", "object"];
  const kind = depth > 3 ? "leaf" : kinds[roll(kinds.length)];
  const more = () => anything(roll, depth + 1);
  if (kind === "list") return Array.from({ length: roll(4) }, more);
  if (kind === "call") return { id: more(), name: more(), given: more() };
  if (kind === "answer") return { id: more(), result: more(), error: more() };
  if (kind === "object") return { [String(roll(9))]: more(), __proto__: null, toString: more() };
  return leaves[roll(leaves.length)];
}

test("messages of strangers change nothing, whatever is in them", (t) => {
  const scene = new Scene(t);
  const roll = dice(7);
  const stranger = { postMessage: () => assert.fail("a stranger is answered") };
  const origins = ["null", "", `${SHOP}.evil.example`, "https://shop.example:8443", "http://shop.example", "https://example.org", "https://evilexample.org", "http://a.example.org", "https://a.example.org:8443"];
  for (let i = 0; i < 3000; i += 1) {
    const data = i % 2 ? HELLO : anything(roll);
    if (data === HELLO) scene.hear(data, { origin: origins[roll(origins.length)] });
    else scene.hear(data);
    scene.hear(data, { source: stranger });
  }
  assert.deepEqual([scene.handed, scene.asked], [[], []]);
});

test("a page of an allowed origin, or below an allowed domain, is given a port for itself alone", (t) => {
  const scene = new Scene(t);
  for (const origin of [SHOP, "https://a.b.example.org"]) scene.hear(HELLO, { origin });
  assert.deepEqual(scene.handed.map(({ origin }) => origin), [SHOP, "https://a.b.example.org"]);
});

test("by its port a page uses what the element has for pages, and nothing else", async (t) => {
  const scene = new Scene(t);
  const { port, calls } = scene.connect();
  const roll = dice(11);
  for (let i = 0; i < 3000; i += 1) port.postMessage(anything(roll));
  for (const name of ["token", "remove", "constructor", "__proto__", "toString", "dispatchEvent", "getAuthToken"])
    await assert.rejects(calls.call(name), /There is no such call/);
  assert.deepEqual(scene.asked.filter(([name]) => name !== "start"), []);
  assert.equal(await calls.call("speak", "Hello.", { turnId: "t-1" }), "speak done");
  assert.deepEqual(scene.asked.at(-1), ["speak", "Hello.", { turnId: "t-1" }]);
});

test("what a page asks for and cannot have is told as the element tells it", async (t) => {
  const scene = new Scene(t);
  scene.element.start = async () => {
    throw new Problem("at-capacity", { title: "Full", detail: "Later.", requestId: "r-1", retryAfter: 5 });
  };
  const { calls } = scene.connect();
  const told = { name: "at-capacity", message: "Full", title: "Full", detail: "Later.", requestId: "r-1", retryAfter: 5 };
  await assert.rejects(calls.call("start"), told);
});

test("a page is told how the element is, then each event, and no token", async (t) => {
  const scene = new Scene(t);
  const told = [];
  const heard = new Promise((resolve) => {
    const dispatch = (name, detail) => (told.push({ name, detail }), resolve());
    scene.connect({ update: (facts) => told.push(facts), dispatch });
  });
  Object.assign(scene.element, { state: "live", sessionId: "s-1" });
  scene.element.dispatchEvent(new CustomEvent("avatar-beforespeak", { detail: { text: "Hi" } }));
  scene.element.dispatchEvent(new CustomEvent("avatar-live", { detail: { sessionId: "s-1" } }));
  await heard;
  const facts = { secondsLeft: undefined, place: undefined, problem: null, utterances: [] };
  assert.deepEqual(told, [
    { state: "ready", sessionId: null, ...facts },
    { state: "live", sessionId: "s-1", ...facts },
    { name: "live", detail: { sessionId: "s-1" } },
  ]);
});

test("a login's token is a question to the page, also before it has said hello", async (t) => {
  const scene = new Scene(t);
  const asked = scene.remote.askAuthToken({ reason: "create" });
  scene.connect({ getAuthToken: async ({ reason }) => `a token to ${reason}` });
  assert.equal(await asked, "a token to create");
});

test("where no page says hello, a login is asked for in vain and not for ever", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const asked = new Scene(t).remote.askAuthToken({ reason: "create" });
  t.mock.timers.tick(10_000);
  await assert.rejects(asked, /has no avatar-frame.js/);
});

test("a text that is still being written is asked for part by part", async (t) => {
  const scene = new Scene(t);
  scene.element.speak = async (parts) => {
    const texts = [];
    for await (const part of parts) texts.push(part);
    return texts.join("");
  };
  const parts = ["One ", "after ", "the other."].values();
  const { calls } = scene.connect({ nextPart: (stream) => stream === 3 && parts.next() });
  assert.equal(await calls.call("speakParts", 3), "One after the other.");
});

test("a server that renders pages may import the frame", () => {
  assert.equal(globalThis.HTMLElement, undefined);
  assert.equal(typeof KalturaAvatarFrame, "function");
});
