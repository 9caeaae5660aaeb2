import assert from "node:assert/strict";
import test from "node:test";

import { followEvents, parseEvent } from "../../../static/shared/broker/event-stream.js";
import { Problem } from "../../../static/shared/broker/problems.js";

const bytes = (text) => new TextEncoder().encode(text);

/** A stream of these pieces; without an end it stays open until it is cancelled. */
function streamOf(pieces, { ends = true, onCancel = () => {} } = {}) {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(bytes(piece));
      if (ends) controller.close();
    },
    cancel: onCancel,
  });
}

/** Follows streams that are given one after the other; what they were asked to go on behind can be read. */
function follow(answers, signal = new AbortController().signal) {
  const asked = [];
  const open = async (lastId) => {
    asked.push(lastId);
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { events: followEvents(open, signal), asked };
}

/** Lets every promise that can go on do so. */
async function soon() {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

test("an event is read from its fields, and a heartbeat is none", () => {
  assert.deepEqual(parseEvent('event: utterance\ndata: {"text":"a: b"}\nid: x-1'), {
    name: "utterance",
    id: "x-1",
    data: { text: "a: b" },
  });
  assert.equal(parseEvent(": ping").name, "");
  assert.equal(parseEvent("retry: 700").retry, 700);
});

test("events come out whole however they were cut, and a lost connection goes on behind the last until the end", async () => {
  const { events, asked } = follow([
    streamOf(["retry: 1\n\nevent: utterance\nda", 'ta: {"n":1}\nid: x-1\n\n: ping\n\nevent: utt']),
    new Problem("unreachable"),
    streamOf(['event: session\ndata: {"n":2}\n\n', 'event: session\ndata: {"n":3}\nid: end\n\n'], { ends: false }),
  ]);
  const told = [];
  for await (const { name, data } of events) told.push([name, data.n]);
  assert.deepEqual(told, [["utterance", 1], ["session", 2], ["session", 3]]);
  assert.deepEqual(asked, ["", "x-1", "x-1"]);
});

test("a session whose last event was missed is over when there are no more", async () => {
  const { events } = follow([null]);
  assert.deepEqual(await events.next(), { done: true, value: undefined });
});

test("a refusal that stays ends it with its problem", async () => {
  const { events } = follow([new Problem("session-not-found")]);
  await assert.rejects(events.next(), { name: "session-not-found" });
});

test("a stream that is silent for long is opened again", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { events, asked } = follow([streamOf([], { ends: false }), null]);
  const next = events.next();
  await soon();
  for (const ms of [45_000, 2000]) {
    t.mock.timers.tick(ms);
    await soon();
  }
  assert.deepEqual([(await next).done, asked.length], [true, 2]);
});

test("who stops listening closes the connection", async () => {
  let closed = 0;
  const first = 'event: session\ndata: {"n":1}\n\n';
  const left = follow([streamOf([first], { ends: false, onCancel: () => (closed += 1) })]);
  for await (const told of left.events) if (told) break;
  await soon();
  assert.equal(closed, 1);
});

test("who stops listening does not wait until a lost connection is made again", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const stopped = new AbortController();
  const { events, asked } = follow([new Problem("unreachable")], stopped.signal);
  const next = events.next();
  await soon();
  stopped.abort();
  await soon();
  const late = new Promise((resolve) => setImmediate(resolve, "late"));
  assert.deepEqual([await Promise.race([next, late]), asked.length], [{ done: true, value: undefined }, 1]);
});
