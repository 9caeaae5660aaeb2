import assert from "node:assert/strict";
import test from "node:test";

import { Alerts } from "../../../static/element/view/alerts.js";
import { Countdown } from "../../../static/element/view/countdown.js";
import { Conversation } from "../../../static/shared/speech/conversation.js";
import { Problem } from "../../../static/shared/broker/problems.js";
import { SpeechTracker } from "../../../static/shared/speech/speech-tracker.js";
import { spreadCues } from "../../../static/shared/speech/utterance-lines.js";

const OPENED = { sessionId: "s-1", answeredAt: Date.now() };
const utterance = (turnId, state, about = {}) => ({
  turnId,
  text: `Text of ${turnId}.`,
  state,
  reason: null,
  fallback: false,
  ...about,
});

/** A conversation whose session does as the test says. */
function conversation(t, session = {}) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const lines = [];
  const returned = [];
  const shown = [];
  const captions = {
    show: (text) => (shown.push(text), []),
    extend: (text) => shown.push(text),
    heard: () => false,
    hide: () => {},
  };
  const speech = new SpeechTracker(() => {}, captions);
  const told = {
    added: (line) => lines.push(line),
    accepted: () => {},
    trouble: () => {},
    returned: (text) => returned.push(text),
  };
  const broker = { state: "live", heard: async () => {}, utterances: async () => [], ...session };
  const talk = new Conversation(broker, speech, told);
  talk.begin(OPENED, null);
  return { talk, speech, lines, shown, returned, broker };
}

const refuse = (name, about) => async () => {
  throw new Problem(name, about);
};

for (const [name, outcome] of [
  ["unreachable", "unclear"],
  ["no-answer", "unclear"],
  ["unknown", "unclear"],
  ["kaltura-timeout", "unclear"],
  ["outcome-unknown", "unclear"],
  ["speech-refused", "failed"],
  ["kaltura-unavailable", "failed"],
  ["rate-limited", "failed"],
])
  test(`after ${name} a line is ${outcome}, and its text ${outcome === "failed" ? "given back" : "not"}`, async (t) => {
    const { talk, returned } = conversation(t, { speak: refuse(name) });
    assert.equal(await talk.speak("Hello."), outcome);
    assert.deepEqual(returned, outcome === "failed" ? ["Hello."] : []);
  });

for (const [state, reason, outcome, words] of [
  ["speaking", null, "accepted", ""],
  ["queued", null, "queued", ""],
  ["interrupted", null, "stopped", ""],
  ["failed", "kaltura-timeout", "unclear", ""],
  ["failed", "session-ended", "failed", "The session has ended"],
])
  test(`what is unclear becomes ${outcome} when the broker tells that it is ${state} (${reason})`, async (t) => {
    const utterances = async () => [utterance(lines[0].turnId, state, { reason })];
    const { talk, lines } = conversation(t, { speak: refuse("no-answer"), utterances });
    await talk.speak("Hello.");
    await pass(t, 1000);
    assert.deepEqual([lines[0].state, lines[0].reason], [outcome, words]);
  });

test("what the broker has never heard of is given back, but not before that is sure", async (t) => {
  let answers = 0;
  const utterances = async () => {
    answers += 1;
    if (answers < 3) throw new Problem("unreachable");
    return [];
  };
  const { talk, lines, returned } = conversation(t, { speak: refuse("unreachable"), utterances });
  await talk.speak("Hello.");
  for (const ms of [1000, 2000, 4000, 8000]) await pass(t, ms);
  assert.deepEqual([lines[0].state, returned], ["unclear", []]);
  await pass(t, 15_000);
  assert.deepEqual([lines[0].state, lines[0].reason, returned], ["failed", "it did not arrive", ["Hello."]]);
});

test("what even the broker does not know was not said if it is not heard, and is not given back", async (t) => {
  const utterances = async () => [utterance(lines[0].turnId, "failed", { reason: "kaltura-timeout" })];
  const { talk, lines, returned } = conversation(t, { speak: refuse("kaltura-timeout"), utterances });
  await talk.speak("Hello.");
  for (const ms of [1000, 19_000, 1000]) await pass(t, ms);
  assert.deepEqual([lines[0].state, lines[0].reason, returned], ["failed", "nothing was heard", []]);
});

test("what is unclear and heard is not given back", async (t) => {
  const { talk, speech, lines, returned } = conversation(t, { speak: refuse("no-answer") });
  await talk.speak("Hello.");
  speech.heard(true, true);
  for (const ms of [1000, 2000, 4000, 60_000]) await pass(t, ms);
  assert.deepEqual([lines[0].state, returned], ["speaking", []]);
});

test("after a reload everything that the broker knows is there again, and what was lost is given back", async (t) => {
  const now = Date.now(); // once: two times of the same utterance are compared below
  const ago = (seconds) => new Date(now - seconds * 1000).toISOString();
  const { talk, speech, lines, returned, broker } = conversation(t);
  broker.utterances = async () => [
    utterance("a", "done", { startedAt: ago(60), endedAt: ago(58) }),
    utterance("b", "interrupted"),
    utterance("c", "speaking", { startedAt: ago(3) }),
    utterance("d", "queued"),
  ];
  const unanswered = [{ turnId: "d", text: "Text of d." }, { turnId: "e", text: "Text of e." }];
  talk.begin(OPENED, { sessionId: "s-1", unanswered, heard: { turnId: "c", elapsed: 1200 } });
  await pass(t, 0);
  assert.deepEqual(
    lines.map(({ turnId, state }) => [turnId, state]),
    [["a", "said"], ["b", "stopped"], ["c", "accepted"], ["d", "queued"], ["e", "failed"]],
  );
  assert.deepEqual(returned, ["Text of e."]);
  assert.ok(Math.abs(lines[0].cues[0].to - lines[0].cues[0].from - 2000) < 5);
  speech.heard(true, true);
  assert.deepEqual([lines[2].state, lines[2].elapsed], ["speaking", 1200]);
  talk.hearOf(utterance("d", "speaking"));
  assert.deepEqual([lines.length, lines[3].state], [5, "accepted"]);
});

test("what another page of this session, or a service, lets it say is a line as well", (t) => {
  const { talk, speech, lines } = conversation(t);
  talk.hearOf(utterance("x", "queued"));
  speech.heard(true, true);
  assert.deepEqual([lines[0].text, lines[0].state], ["Text of x.", "speaking"]);
});

test("what a service is still writing is one line, captioned as it grows and never without words", (t) => {
  const { talk, speech, lines, shown } = conversation(t);
  talk.hearOf(utterance("x", "queued", { text: "" }));
  assert.deepEqual(lines, []);
  talk.hearOf(utterance("x", "queued", { text: "One. " }));
  speech.heard(true, true);
  talk.hearOf(utterance("x", "speaking", { text: "One. Two." }));
  assert.deepEqual([lines.length, lines[0].text, lines[0].state], [1, "One. Two.", "speaking"]);
  assert.deepEqual(shown, ["One. ", "One. Two."]);
});

test("a text's pieces share the time in which it was said by their length", () => {
  const cues = spreadCues("Twelve signs. And as many.", 1000, 3000);
  assert.deepEqual(cues.map(({ text }) => text), ["Twelve signs.", "And as many."]);
  assert.deepEqual([cues[0].from, cues[1].to], [1000, 3000]);
  assert.equal(cues[0].to, cues[1].from);
});

test("each alarm ends with its own cause, and the gravest that stands is shown", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const shown = [];
  const alerts = new Alerts((content) => shown.push(content));
  alerts.raise("time", "One minute left");
  alerts.raise("connection", "No connection");
  alerts.raise("call", "Too often", 20);
  alerts.end("connection");
  t.mock.timers.tick(20_000);
  alerts.end("time");
  alerts.end("time");
  assert.deepEqual(shown, ["One minute left", "No connection", "Too often", "One minute left", undefined]);
});

test("the last minute is taken back when there is more time after all", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const element = { querySelector: () => ({}), toggleAttribute: () => {}, hidden: true };
  const told = [];
  const clock = new Countdown(element, { onLastMinute: (seconds) => told.push(seconds !== null), onZero: () => {} });
  clock.start(50);
  t.mock.timers.tick(500);
  clock.set(70);
  clock.set(80);
  assert.deepEqual(told, [true, false]);
  clock.stop();
});

/** Lets time pass, and every promise that can go on do so. */
async function pass(t, ms) {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  t.mock.timers.tick(ms);
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
