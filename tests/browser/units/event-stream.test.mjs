import assert from "node:assert/strict";
import test from "node:test";

import { EventStream, parseEvent } from "../../../static/shared/broker/event-stream.js";

const bytes = (text) => new TextEncoder().encode(text);

test("an event is read from its fields, and a heartbeat is none", () => {
  assert.deepEqual(parseEvent('event: utterance\ndata: {"text":"a: b"}\nid: x-1'), {
    name: "utterance",
    id: "x-1",
    data: { text: "a: b" },
  });
  assert.equal(parseEvent(": ping").name, "");
  assert.equal(parseEvent("retry: 700").retry, 700);
});

test("events come out whole however they were cut, and a lost connection goes on behind the last", async () => {
  const told = [];
  const asked = [];
  const streams = [
    ['event: utterance\nda', 'ta: {"n":1}\nid: x-1\n\n: ping\n\nevent: utt'],
    ['event: session\ndata: {"n":2}\n\n'],
  ];
  const { promise, resolve } = Promise.withResolvers();
  const following = new EventStream(
    async (lastId) => {
      asked.push(lastId);
      const pieces = streams.shift();
      return new ReadableStream({
        start(controller) {
          for (const piece of pieces) controller.enqueue(bytes(piece));
          controller.close();
        },
      });
    },
    ({ name, data }) => {
      told.push([name, data.n]);
      if (told.length === 2) resolve();
    },
  );
  await promise;
  following.stop();
  assert.deepEqual(told, [["utterance", 1], ["session", 2]]);
  assert.deepEqual(asked, ["", "x-1"]);
});
