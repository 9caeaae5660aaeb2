import assert from "node:assert/strict";
import test from "node:test";

import { SpeechTracker } from "../../../static/shared/speech/speech-tracker.js";

/** A `SpeechTracker` over a clock that a test moves, whose lines' states and captions can be read. */
function speech(t) {
  let now = 0;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(performance, "now", () => now);
  const pass = (ms) => {
    for (let passed = 0; passed < ms; passed += 10) {
      now += 10;
      t.mock.timers.tick(10);
    }
  };
  const captions = [];
  const told = {
    isOver: false,
    show: (text) => (captions.push(text), []),
    heard: (voice) => voice && told.isOver,
    hide: () => captions.push(""),
  };
  const desk = new SpeechTracker(() => {}, told);
  const send = (text, about) => {
    const line = { turnId: text, text, state: "sending", reason: "", ...about };
    desk.sent(line);
    return line;
  };
  const say = (text, about) => {
    const line = send(text, about);
    desk.told(line, "accepted");
    return line;
  };
  return { desk, send, say, captions, told, pass };
}

test("a line is spoken while a voice is heard, and said once it has been silent", (t) => {
  const { desk, say, pass } = speech(t);
  const line = say("Hello there.");
  assert.equal(line.state, "accepted");
  desk.heard(true);
  assert.equal(line.state, "speaking");
  desk.heard(false);
  pass(1000);
  assert.equal(line.state, "speaking");
  pass(500);
  assert.equal(line.state, "said");
});

test("a pause for breath ends no line and begins no other", (t) => {
  const { desk, say, pass } = speech(t);
  const [first, second] = [say("A first line that is rather long."), say("Second.")];
  desk.heard(true);
  desk.heard(false);
  pass(500);
  desk.heard(true);
  assert.deepEqual([first.state, second.state], ["speaking", "accepted"]);
});

test("a second line in the same breath begins when the first should be over", (t) => {
  const { desk, say, pass } = speech(t);
  const [first, second] = [say("First line."), say("Second line.")];
  desk.heard(true);
  pass(3000);
  assert.deepEqual([first.state, second.state], ["said", "speaking"]);
  desk.heard(false);
  pass(1500);
  assert.equal(second.state, "said");
});

test("a line accepted while another is said begins after it", (t) => {
  const { desk, say, pass } = speech(t);
  const first = say("First line.");
  desk.heard(true);
  const second = say("Second line.");
  assert.equal(second.state, "accepted");
  pass(3000);
  assert.deepEqual([first.state, second.state], ["said", "speaking"]);
});

test("a long silence early in a long line does not end it", (t) => {
  const { desk, say, pass } = speech(t);
  const line = say("A first sentence. ".repeat(9));
  desk.heard(true);
  desk.heard(false);
  pass(2500);
  assert.equal(line.state, "speaking");
  desk.heard(true);
  pass(5000);
  assert.equal(line.state, "speaking");
});

test("a recording lasts as long as it was measured to", (t) => {
  const { desk, say, pass } = speech(t);
  const first = say("Recording, 0:10", { seconds: 10 });
  const second = say("Second line.");
  desk.heard(true);
  pass(9000);
  assert.deepEqual([first.state, second.state], ["speaking", "accepted"]);
  pass(1500);
  assert.deepEqual([first.state, second.state], ["said", "speaking"]);
});

test("stop leaves nothing to be said", (t) => {
  const { desk, say, captions, pass } = speech(t);
  const [first, second] = [say("First line."), say("Second line.")];
  desk.heard(true);
  desk.stopped();
  pass(60_000);
  assert.deepEqual([first.state, second.state], ["stopped", "stopped"]);
  assert.equal(captions.at(-1), "");
});

test("where no voice is ever reported a line stays accepted, and its words go after a while", (t) => {
  const { say, captions, pass } = speech(t);
  const line = say("Nobody tells.");
  assert.equal(captions.at(-1), "Nobody tells.");
  pass(60_000);
  assert.equal(line.state, "accepted");
  assert.equal(captions.at(-1), "");
});

test("a voice that comes before the answer says the line that was sent, and the next one the next", (t) => {
  const { desk, send, captions, pass } = speech(t);
  const first = send("First line.");
  desk.heard(true, true);
  assert.deepEqual([first.state, captions.at(-1)], ["speaking", "First line."]);
  const second = send("Second line.");
  pass(800);
  desk.heard(false, true);
  pass(1400);
  desk.told(first, "accepted"); // Kaltura was slow to answer
  desk.heard(true, true);
  assert.deepEqual([first.state, second.state, captions.at(-1)], ["said", "speaking", "Second line."]);
  desk.told(second, "accepted");
  assert.equal(second.state, "speaking");
});

for (const [how, falls] of [["falls silent for a moment", true], ["seems to go on", false]])
  test(`after Stop a line is heard although the detector holds the old voice, which ${how}`, (t) => {
    const { desk, send, captions, pass } = speech(t);
    const old = send("A long text.");
    desk.heard(true, true);
    pass(500);
    desk.stopped();
    assert.equal(old.state, "stopped");
    pass(200);
    const line = send("And now this.");
    desk.told(line, "accepted");
    assert.equal(line.state, "accepted"); // what is heard was stopped
    if (falls) desk.heard(false, true);
    pass(falls ? 100 : 600);
    if (falls) desk.heard(true, true);
    assert.deepEqual([line.state, captions.at(-1)], ["speaking", "And now this."]);
  });

test("a line that is sent while Stop is on its way is not stopped by it", (t) => {
  const { desk, send } = speech(t);
  const [first, second] = [send("First line."), send("Second line.")];
  desk.heard(true);
  const asked = desk.unsaid;
  const third = send("Third line.");
  desk.stopped(asked);
  assert.deepEqual([first.state, second.state, third.state], ["stopped", "stopped", "sending"]);
});

test("the pause behind a line begins the next, sooner or later than expected", (t) => {
  const { desk, say, told, pass } = speech(t);
  const [first, second] = [say("A first line that is rather long."), say("Second line.")];
  desk.heard(true, true);
  pass(700);
  desk.heard(false, true);
  desk.heard(true, true);
  assert.equal(first.state, "speaking");
  told.isOver = true;
  desk.heard(false, true);
  desk.heard(true, true);
  assert.deepEqual([first.state, second.state], ["said", "speaking"]);
});

test("a line whose answer was lost is captioned when a voice comes, and dropped when it is known", (t) => {
  const { desk, send, captions, pass } = speech(t);
  const [heard, missing] = [send("Heard."), send("Missing.")];
  for (const line of [heard, missing]) desk.told(line, "unclear");
  desk.heard(true, true);
  assert.deepEqual([heard.state, captions.at(-1)], ["speaking", "Heard."]);
  desk.dropped(missing, "failed");
  desk.heard(false, true);
  pass(1500);
  assert.deepEqual([heard.state, missing.state], ["said", "failed"]);
});

test("a line that was refused is not taken for the voice of another", (t) => {
  const { desk, send, captions } = speech(t);
  const line = send("Refused.");
  desk.heard(true, true);
  desk.refused(line);
  assert.deepEqual([line.state, captions.at(-1)], ["failed", ""]);
});

test("a line that was begun on the page before goes on where it was", (t) => {
  const { desk, send, pass } = speech(t);
  const first = send("A line that takes about two seconds.", { elapsed: 1500 });
  const second = send("Second line.");
  desk.heard(true, true);
  pass(1800);
  assert.deepEqual([first.state, second.state], ["said", "speaking"]);
});

test("what waits is not taken for said because a voice fell silent before it was accepted", (t) => {
  const { desk, send, pass } = speech(t);
  send("First line.");
  desk.heard(true, true);
  desk.heard(false, true);
  const late = send("Late line.");
  desk.told(late, "accepted");
  pass(10_000);
  assert.equal(late.state, "accepted");
});
