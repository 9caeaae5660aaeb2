import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { gatheringComplete } from "../../../static/player/ice-gathering.js";

const TURN = { urls: ["turn:relay.example:443?transport=udp", "turns:relay.example:443"] };

/** A peer whose candidates the test finds. */
class Peer extends EventTarget {
  iceGatheringState = "gathering";

  constructor(...iceServers) {
    super();
    this.getConfiguration = () => ({ iceServers });
  }

  find(type) {
    this.dispatchEvent(Object.assign(new Event("icecandidate"), { candidate: { type } }));
  }

  complete() {
    this.iceGatheringState = "complete";
    this.dispatchEvent(new Event("icegatheringstatechange"));
  }
}

/** Whether the offer may be sent by now. */
async function isDone(gathering) {
  const pending = Symbol("pending");
  return (await Promise.race([gathering, Promise.resolve(pending)])) !== pending;
}

test.beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
test.afterEach(() => mock.timers.reset());

test("the offer leaves at once when every candidate is known", async () => {
  const peer = new Peer();
  const gathering = gatheringComplete(peer);
  assert.equal(await isDone(gathering), false);
  peer.complete();
  assert.equal(await isDone(gathering), true);
});

test("it leaves a moment after the first usable candidate", async () => {
  const peer = new Peer();
  const gathering = gatheringComplete(peer);
  peer.find("host");
  mock.timers.tick(99);
  assert.equal(await isDone(gathering), false);
  mock.timers.tick(1);
  assert.equal(await isDone(gathering), true);
});

test("where there is a relay, nothing else is usable", async () => {
  const peer = new Peer(TURN);
  const gathering = gatheringComplete(peer);
  peer.find("host");
  peer.find("srflx");
  mock.timers.tick(500);
  assert.equal(await isDone(gathering), false);
  peer.find("relay");
  mock.timers.tick(100);
  assert.equal(await isDone(gathering), true);
});

test("a server that only reflects is no relay", async () => {
  const peer = new Peer({ urls: "stun:stun.example" });
  const gathering = gatheringComplete(peer);
  peer.find("host");
  mock.timers.tick(100);
  assert.equal(await isDone(gathering), true);
});

test("after a second it leaves with what there is", async () => {
  const gathering = gatheringComplete(new Peer(TURN));
  mock.timers.tick(999);
  assert.equal(await isDone(gathering), false);
  mock.timers.tick(1);
  assert.equal(await isDone(gathering), true);
});
