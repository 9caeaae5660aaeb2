import assert from "node:assert/strict";
import test from "node:test";

import { Captions } from "../../../static/shared/speech/captions/captions.js";
import { languageOf } from "../../../static/shared/speech/captions/language-detection.js";
import { asText, asVtt } from "../../../static/shared/speech/transcript-export.js";
import { pieces, sentences } from "../../../static/shared/speech/captions/sentences.js";
import { SpeakingRate } from "../../../static/shared/speech/speaking-rate.js";

/** As much of an element as captions need. */
class Element {
  children = [];
  hidden = true;
  textContent = "";
  lang = "";
  dir = "";
  append(child) {
    this.children.push(child);
  }
  get childElementCount() {
    return this.children.length;
  }
  get firstElementChild() {
    return { remove: () => this.children.shift() };
  }
}
globalThis.document = { createElement: () => new Element() };

/** Captions over a clock that a test moves, at a hundred milliseconds a letter or so. */
function captions(t) {
  let now = 0;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(performance, "now", () => now);
  const [element, log, speakingRate] = [new Element(), new Element(), new SpeakingRate()];
  const shown = new Captions(element, log, speakingRate);
  const told = [];
  const append = log.append.bind(log);
  log.append = (child) => (told.push(child.textContent), append(child));
  const pass = (ms) => {
    for (let passed = 0; passed < ms; passed += 10) {
      now += 10;
      t.mock.timers.tick(10);
    }
  };
  return { shown, element, log, speakingRate, told, pass };
}

for (const text of [
  "One. Two! Three?",
  "No end",
  "word ".repeat(300).trim(),
  `${"x".repeat(200)} and more.`,
  "He said: \"Stop.\" And so it was. Version 1.5 is out.",
  "一句话。两句话。",
  "这是一个没有任何标点的很长的句子".repeat(9),
  "هذه جملة. وهذه جملة أخرى؟",
  "यह एक वाक्य है। यह दूसरा है।",
  "ข้อความภาษาไทยที่ไม่มีช่องว่าง".repeat(9),
])
  test(`captions lose no word of "${text.slice(0, 20)}" and are short`, () => {
    const cut = pieces(text).map((piece) => piece.text);
    assert.equal(cut.join("").replaceAll(" ", ""), text.replaceAll(" ", ""));
    for (const piece of cut) assert.ok(piece.length <= 84 || /^\S+$/.test(piece));
  });

test("a long sentence without spaces is cut between words, and one of wide signs sooner", () => {
  const cut = pieces("这是一个没有任何标点的很长的句子".repeat(9)).map(({ text }) => text);
  assert.ok(cut.length > 3);
  for (const piece of cut) assert.ok(piece.length <= 42);
});

test("sentences of any script end where they end, and not at an abbreviation's digits", () => {
  assert.deepEqual(sentences("Version 1.5 is out. 好的。हाँ। نعم؟ Bye"), [
    "Version 1.5 is out.",
    "好的。",
    "हाँ।",
    "نعم؟",
    "Bye",
  ]);
});

for (const [text, cut] of [
  ["Dr. Smith met Mrs. J. Jones. They talked.", ["Dr. Smith met Mrs. J. Jones.", "They talked."]],
  [
    "It is a sentence of more than ninety letters that goes on and on, if only you stay with the voice.",
    ["It is a sentence of more than ninety letters that goes on and on,", "if only you stay with the voice."],
  ],
])
  test(`no piece of "${text.slice(0, 20)}" is one word alone, and it is cut where the voice pauses`, () => {
    assert.deepEqual(pieces(text).map((piece) => piece.text), cut);
  });

test("a sentence without any pause is cut in equal parts", () => {
  const sizes = pieces(`${"seven letters ".repeat(19).trim()}.`).map((piece) => piece.text.length);
  assert.ok(sizes.length > 3 && Math.max(...sizes) < 1.3 * Math.min(...sizes), String(sizes));
});

const TWO = "The first sentence is of this length. The second one is.";
const [FIRST, SECOND] = sentences(TWO);

test("the next sentence is shown when the voice comes back from a pause", (t) => {
  const { shown, element, speakingRate, pass } = captions(t);
  shown.heard(true);
  shown.show(TWO);
  assert.equal(element.textContent, FIRST);
  pass(1.2 * speakingRate.expected(FIRST)); // slower than expected
  assert.equal(element.textContent, FIRST);
  shown.heard(false);
  pass(300);
  assert.equal(element.textContent, FIRST);
  shown.heard(true);
  assert.equal(element.textContent, SECOND);
});

test("a pause in the middle of a sentence ends nothing", (t) => {
  const { shown, element, speakingRate, pass } = captions(t);
  shown.heard(true);
  shown.show(TWO);
  pass(0.4 * speakingRate.expected(FIRST));
  shown.heard(false);
  pass(200);
  shown.heard(true);
  assert.equal(element.textContent, FIRST);
});

test("a pause at a comma tells how far the voice is, and the next piece comes with the voice", (t) => {
  const text = "First of all, there is a sentence that is rather long, and it is cut in the middle of it all.";
  const [before, after] = pieces(text).map((piece) => piece.text);
  for (const slow of [0.8, 1.3]) {
    const { shown, element, speakingRate, pass } = captions(t);
    const said = (words) => slow * speakingRate.expected(words);
    shown.heard(true);
    shown.show(text);
    pass(said("First of all,"));
    shown.heard(false);
    shown.heard(true);
    assert.equal(element.textContent, before);
    pass(said(before) - said("First of all,"));
    shown.heard(false);
    shown.heard(true);
    assert.equal(element.textContent, after);
    t.mock.reset();
    t.mock.timers.reset();
  }
});

test("a pause at a comma that was not heard makes the next piece a little late, and no more", (t) => {
  const text = "This is a sentence of more than ninety letters, which goes on for as long as you want it to.";
  const [before, after] = pieces(text).map((piece) => piece.text);
  const { shown, element, speakingRate, pass } = captions(t);
  shown.heard(true);
  shown.show(text);
  pass(speakingRate.expected(before));
  assert.equal(element.textContent, before);
  pass(0.2 * speakingRate.expected(before));
  assert.equal(element.textContent, after);
});

test("the end of a text is heard in the pause behind it", (t) => {
  const { shown, speakingRate, pass } = captions(t);
  shown.heard(true);
  shown.show("Only this.");
  pass(speakingRate.expected("Only this."));
  shown.heard(false);
  assert.ok(shown.heard(true));
});

test("where no pause is heard the time that it should take counts", (t) => {
  const { shown, element, speakingRate, pass } = captions(t);
  shown.show(TWO);
  pass(0.9 * speakingRate.expected(FIRST));
  assert.equal(element.textContent, FIRST);
  pass(0.2 * speakingRate.expected(FIRST));
  assert.equal(element.textContent, SECOND);
  pass(60_000); // the last stays until the voice ends
  assert.equal(element.hidden, false);
  shown.hide();
  assert.equal(element.hidden, true);
});

test("what was written while the text before it is said is shown behind it", (t) => {
  const { shown, element, speakingRate, pass } = captions(t);
  shown.show(FIRST);
  pass(0.5 * speakingRate.expected(FIRST));
  shown.extend(TWO);
  assert.equal(element.textContent, FIRST);
  pass(0.6 * speakingRate.expected(FIRST));
  assert.equal(element.textContent, SECOND);
});

test("how fast the voice is, is learnt from a sentence that was heard", (t) => {
  const { shown, speakingRate, pass } = captions(t);
  const before = speakingRate.expected(SECOND);
  shown.heard(true);
  shown.show(TWO);
  pass(1.3 * speakingRate.expected(FIRST));
  shown.heard(false);
  shown.heard(true);
  assert.ok(speakingRate.expected(SECOND) > 1.05 * before);
});

test("each sentence is told to a screen reader once, whole, when it begins", (t) => {
  const { shown, told, log, pass } = captions(t);
  const long = `${"many words ".repeat(20).trim()}.`;
  shown.show(`${long} ${TWO}`);
  assert.deepEqual(told, [long]);
  pass(60_000);
  assert.deepEqual(told, [long, FIRST, SECOND]);
  shown.show(`${long} ${TWO}`, { again: true }); // the voice came late
  pass(60_000);
  assert.deepEqual(told, [long, FIRST, SECOND]);
  shown.show("Again.");
  assert.deepEqual(told.slice(3), ["Again."]);
  assert.ok(log.childElementCount <= 3);
});

test("a text is marked with its direction and, where its script tells it, its language", (t) => {
  const { shown, element } = captions(t);
  for (const [text, lang] of [["شكرا", "ar"], ["ありがとう漢字", "ja"], ["谢谢", "zh"], ["Danke", ""]]) {
    shown.show(text);
    assert.deepEqual([element.dir, element.lang], ["auto", lang]);
    assert.equal(languageOf(text), lang);
  }
});

test("a text of signs that are words takes longer than one of as many letters", () => {
  const speakingRate = new SpeakingRate();
  assert.ok(speakingRate.expected("谢谢你们大家") > 2 * speakingRate.expected("thanks"));
  assert.ok(speakingRate.expected("19842024") > 2 * speakingRate.expected("eighteen"));
});

test("what is shown is timed for subtitles, without what was not said any more", (t) => {
  const { shown, pass } = captions(t);
  pass(61_230);
  const cues = shown.show("A < B & C --> D. Never said.");
  pass(500);
  shown.heard(false);
  pass(400);
  shown.hide();
  const words = { voice: "The voice is AI-generated.", state: ({ state }) => state };
  const line = { text: "A < B & C --> D. Never said.", state: "stopped", ms: 9, reason: "", cues };
  assert.equal(
    asVtt([line], 1230, words),
    "WEBVTT\n\nNOTE The voice is AI-generated.\n\n" +
      "00:01:00.000 --> 00:01:00.500\nA &lt; B &amp; C --&gt; D.\n",
  );
  const failed = { text: "Not accepted.", state: "failed", ms: null, reason: "R" };
  assert.equal(
    asText([line, failed], 1230, words),
    "The voice is AI-generated.\n\n" +
      "1:00  A < B & C --> D. Never said. (stopped)\n-:--  Not accepted. (failed)\n",
  );
});
