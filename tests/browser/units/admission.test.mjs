import assert from "node:assert/strict";
import test from "node:test";

import { Admission } from "../../../static/shared/session/admission.js";
import { Problem } from "../../../static/shared/broker/problems.js";

const OPENED = { sessionId: "s-1", token: "t", secondsLeft: 900 };
const place = (position, { ticket = "t-1", turn = null } = {}) => ({
  ticket,
  position,
  estimatedSeconds: 40,
  turnSecondsLeft: turn,
});
const TURN = place(1, { turn: 30 });
const gone = new Problem("ticket-not-found");
const lost = new Problem("unreachable");

/** An admission whose broker answers each call with the next of the list; an Error is thrown. */
function admission({ create = [OPENED], places = [], choice, kept, onWait = () => {} } = {}) {
  const asked = [];
  const waits = [];
  const next = async (list) => {
    const answer = await list.shift();
    assert.ok(answer, "nothing more was expected to be asked");
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const api = {
    create: (key, { ticket = null, ...choice }) => {
      asked.push({ call: "create", key, ticket, choice });
      return next(create);
    },
    place: (ticket, { waitSeconds, signal }) => {
      asked.push({ call: "place", ticket, waitSeconds });
      const aborted = new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        if (signal.aborted) reject(signal.reason);
      });
      return Promise.race([next(places), aborted]);
    },
    leaveLine: async (ticket) => void asked.push({ call: "leaveLine", ticket }),
  };
  const way = new Admission(api, (wait) => (waits.push(wait), onWait(wait)), { choice, kept });
  const calls = () => asked.map(({ call }) => call);
  return { way, asked, calls, waits };
}

test("where there is room one is in at once, and nobody is told to wait", async () => {
  const { way, calls, waits } = admission();
  assert.equal(await way.enter(), OPENED);
  assert.deepEqual([calls(), waits, way.ticket], [["create"], [], null]);
});

test("the avatar that was chosen is asked for at each create", async () => {
  const choice = { avatarId: "ada", voiceId: "warm" };
  const { way, asked } = admission({ create: [TURN, OPENED], choice });
  await way.enter();
  assert.deepEqual(asked.map((ask) => ask.choice), [choice, choice]);
});

test("whoever waits is told each place, and is let in with the same key when it is their turn", async () => {
  const { way, asked, calls, waits } = admission({
    create: [place(3), OPENED],
    places: [place(2), TURN],
  });
  assert.equal(await way.enter(), OPENED);
  assert.deepEqual(calls(), ["create", "place", "place", "create"]);
  assert.deepEqual(waits.map((wait) => wait.place.position), [3, 2, 1]);
  assert.equal(asked[1].waitSeconds, 20);
  assert.equal(asked[0].key, asked[3].key);
  assert.deepEqual([asked[0].ticket, asked[3].ticket], [null, "t-1"]);
  assert.equal(way.ticket, null);
});

test("a turn in the first answer needs no question", async () => {
  const { way, calls } = admission({ create: [TURN, OPENED] });
  await way.enter();
  assert.deepEqual(calls(), ["create", "create"]);
});

test("a place of the page before is asked for at once, with the key of its click", async () => {
  const kept = { key: "k", ticket: "t-0", choice: { avatarId: "ada" } };
  const { way, asked } = admission({ kept, places: [place(2), TURN] });
  assert.deepEqual(way.ticket, kept);
  await way.enter();
  assert.deepEqual(asked.map(({ waitSeconds }) => waitSeconds), [0, 20, undefined]);
  assert.deepEqual(asked.at(-1), { call: "create", ...kept });
});

test("a turn that was missed is told, and another place is asked for once", async () => {
  const { way, asked, waits } = admission({
    create: [place(2), place(5, { ticket: "t-2" }), OPENED],
    places: [gone, TURN],
  });
  assert.equal(await way.enter(), OPENED);
  assert.deepEqual(waits.map(({ again, place: { position } }) => [again, position]), [
    [false, 2],
    [true, 5],
    [true, 1],
  ]);
  assert.deepEqual(asked[2], { call: "create", key: asked[0].key, ticket: null, choice: {} });
});

test("a turn that passes while it is taken counts as missed too", async () => {
  const { way, calls } = admission({ create: [TURN, gone, OPENED] });
  assert.equal(await way.enter(), OPENED);
  assert.deepEqual(calls(), ["create", "create", "create"]);
});

test("a place that is gone a second time is not asked for again", async () => {
  const { way, calls } = admission({ create: [place(2), place(3)], places: [gone, gone] });
  await assert.rejects(way.enter(), { name: "ticket-not-found" });
  assert.deepEqual(calls(), ["create", "place", "create", "place", "leaveLine"]);
});

test("a connection that is lost while waiting keeps the place, and is tried again after a while, and never a long one", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { way, calls, waits } = admission({
    create: [place(2), OPENED],
    places: [lost, lost, new Problem("unknown"), TURN],
  });
  const entered = way.enter();
  await soon();
  for (const [pauseMs, before] of [[2000, 2], [4000, 3], [4000, 4]]) {
    assert.equal(calls().length, before);
    assert.deepEqual([waits.at(-1).cutOff, waits.at(-1).place.position], [true, 2]);
    t.mock.timers.tick(pauseMs - 1);
    await soon();
    assert.equal(calls().length, before);
    t.mock.timers.tick(1);
    await soon();
  }
  assert.equal(await entered, OPENED);
  assert.ok(!waits.at(-1).cutOff);
});

test("whoever was cut off learns at once that they are not any more", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { way, asked, waits } = admission({ create: [place(2), OPENED], places: [lost, place(2), TURN] });
  const entered = way.enter();
  await soon();
  assert.ok(waits.at(-1).cutOff);
  t.mock.timers.tick(2000);
  await soon();
  assert.ok(!waits.at(-1).cutOff);
  assert.equal(asked[2].waitSeconds, 0); // an answer that waits for news would come late
  t.mock.timers.tick(1000);
  assert.equal(await entered, OPENED);
});

test("an answer that comes too soon and says nothing new is no reason to ask at once", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { way, calls } = admission({ create: [place(2), OPENED], places: [place(2), TURN] });
  const entered = way.enter();
  await soon();
  assert.deepEqual(calls(), ["create", "place"]);
  t.mock.timers.tick(1000);
  assert.equal(await entered, OPENED);
});

test("a call that took its time is followed by the next without a timer, failed or not", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let now = 0;
  t.mock.method(performance, "now", () => (now += 5000));
  const { way, calls } = admission({
    create: [place(2), OPENED],
    places: [place(2), lost, lost, TURN],
  });
  await way.enter();
  assert.equal(calls().length, 6);
});

test("another problem while waiting gives the place up and is told", async () => {
  const refused = new Problem("unauthenticated");
  const { way, asked } = admission({ create: [place(2)], places: [refused] });
  await assert.rejects(way.enter(), { name: "unauthenticated" });
  assert.deepEqual(asked.at(-1), { call: "leaveLine", ticket: "t-1" });
});

test("a turn that comes to nothing is not asked for in a flood", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { way, calls } = admission({ create: [TURN, TURN, OPENED] });
  const entered = way.enter();
  await soon();
  assert.equal(calls().length, 2);
  t.mock.timers.tick(1000);
  assert.equal(await entered, OPENED);
});

test("an answer to create that was lost is asked for once more, with the same key", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { way, asked } = admission({ create: [lost, OPENED] });
  const entered = way.enter();
  await soon();
  t.mock.timers.tick(1000);
  assert.equal(await entered, OPENED);
  assert.equal(asked[0].key, asked[1].key);
});

test("a lost answer is asked for only once more, and a problem not at all", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const offline = admission({ create: [lost, lost] });
  const entered = assert.rejects(offline.way.enter(), { name: "unreachable" });
  await soon();
  t.mock.timers.tick(1000);
  await entered;
  const refused = admission({ create: [new Problem("kaltura-unavailable", { retryAfter: 5 })] });
  await assert.rejects(refused.way.enter(), { name: "kaltura-unavailable" });
});

test("whoever gives up leaves the line at once, and hears no more of it", async () => {
  const { way, calls, waits } = admission({ create: [place(2)], places: [new Promise(() => {})] });
  const entered = assert.rejects(way.enter());
  await soon();
  way.cancel();
  await entered;
  assert.deepEqual(calls(), ["create", "place", "leaveLine"]);
  assert.equal(waits.length, 1);
});

test("whoever gives up in a pause leaves the line without waiting for its end", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { way, calls } = admission({ create: [place(2)], places: [lost] });
  const entered = assert.rejects(way.enter());
  await soon();
  way.cancel();
  await entered;
  assert.equal(calls().at(-1), "leaveLine");
});

test("whoever gives up as their turn comes opens nothing", async () => {
  const { way, calls } = admission({
    create: [place(2)],
    places: [TURN],
    onWait: ({ place: { turnSecondsLeft } }) => turnSecondsLeft !== null && way.cancel(),
  });
  await assert.rejects(way.enter());
  assert.deepEqual(calls(), ["create", "place", "leaveLine"]);
});

test("a place that comes after all is given up, and nobody is told of it", async () => {
  let give;
  const { way, calls, waits } = admission({ create: [new Promise((resolve) => (give = resolve))] });
  const entered = assert.rejects(way.enter());
  way.cancel();
  give(place(2));
  await entered;
  assert.equal(calls().at(-1), "leaveLine");
  assert.deepEqual(waits, []);
});

test("a session that comes after all is handed over, so that it can be ended", async () => {
  let open;
  const { way } = admission({ create: [new Promise((resolve) => (open = () => resolve(OPENED)))] });
  const entered = way.enter();
  way.cancel();
  open();
  assert.equal(await entered, OPENED);
});

/** Lets every promise that can go on do so. */
async function soon() {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
