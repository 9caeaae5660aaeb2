import assert from "node:assert/strict";
import test from "node:test";

import { storeTicket, takeTicket } from "../../../static/shared/session/waiting-ticket.js";
import { positionText } from "../../../static/shared/broker/queue-position.js";

test("a place in line has an ordinal, and the first is next", () => {
  const words = [null, 1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 101, 111].map(positionText);
  assert.deepEqual(words.slice(0, 2), ["You are in line", "You are next in line"]);
  const ordinals = words.slice(2).map((text) => /^You are (\w+) in line$/.exec(text)?.[1]);
  assert.deepEqual(ordinals, "2nd 3rd 4th 11th 12th 13th 21st 22nd 23rd 101st 111th".split(" "));
});

test("a place in line is kept for the tab's next page, once, and not for long", (t) => {
  t.mock.timers.enable({ apis: ["Date"] });
  const kept = new Map();
  globalThis.sessionStorage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
  assert.equal(takeTicket(""), null);
  storeTicket("", { key: "k", ticket: "t", choice: {} });
  assert.deepEqual(takeTicket(""), { key: "k", ticket: "t", choice: {} });
  assert.equal(takeTicket(""), null);
  storeTicket("", { key: "k", ticket: "t", choice: {} });
  t.mock.timers.tick(60_000);
  assert.equal(takeTicket(""), null);
  assert.equal(kept.size, 0);
});

test("a browser that stores nothing is no trouble", () => {
  const refuse = () => {
    throw new DOMException("", "SecurityError");
  };
  globalThis.sessionStorage = { getItem: refuse, setItem: refuse, removeItem: refuse };
  storeTicket("", { key: "k", ticket: "t", choice: {} });
  assert.equal(takeTicket(""), null);
});
