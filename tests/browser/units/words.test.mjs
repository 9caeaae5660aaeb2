import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import english from "../../../static/element/languages/en.js";
import { LANGUAGES, known } from "../../../static/element/languages.js";
import { WORDS_OF, ProblemWords } from "../../../static/element/words/problem-words.js";
import { Words } from "../../../static/element/words/words.js";
import { Problem } from "../../../static/shared/broker/problems.js";

const fileOf = (language) => new URL(`../../../static/element/languages/${language}.js`, import.meta.url);
const formsOf = (text) => (typeof text === "string" ? [text] : Object.values(text));
const placeholders = (text) => (text.match(/\{\w+\}/g) ?? []).sort();

for (const language of LANGUAGES) {
  const load = async () => (await import(fileOf(language))).default;

  test(`${language} has the keys of English, and no others`, async () => {
    assert.deepEqual(Object.keys(await load()).sort(), Object.keys(english).sort());
  });

  test(`${language} has the placeholders of English in each text`, async () => {
    for (const [key, text] of Object.entries(await load()))
      for (const form of formsOf(text)) assert.deepEqual(placeholders(form), placeholders(formsOf(english[key])[0]), key);
  });

  test(`${language} says each text, and counts by the forms of its own grammar`, async () => {
    for (const [key, text] of Object.entries(await load())) {
      for (const form of formsOf(text)) assert.ok(form.trim(), key);
      if (typeof text === "string") continue;
      const type = key === "place" ? "ordinal" : "cardinal";
      const { pluralCategories } = new Intl.PluralRules(language, { type }).resolvedOptions();
      assert.ok(text.other, key);
      assert.deepEqual(Object.keys(text).filter((form) => !pluralCategories.includes(form)), [], key);
    }
  });

  test(`${language} names a button by the word that is on it, among others (WCAG 2.5.3)`, async () => {
    const { saveText, plainText, saveVtt } = await load();
    const wordsOf = (text) => [...new Intl.Segmenter(language, { granularity: "word" }).segment(text)].map(({ segment }) => segment);
    assert.ok(wordsOf(saveText.toLowerCase()).includes(plainText.toLowerCase()), saveText);
    assert.ok(wordsOf(saveVtt).includes("WebVTT"), saveVtt);
  });
}

test("a translation that no native speaker has signed says so", () => {
  for (const language of LANGUAGES.filter((one) => one !== "en"))
    assert.match(readFileSync(fileOf(language), "utf8"), /^\/\*\* .*No native speaker has signed this translation yet/);
});

for (const [tag, language] of [
  ["de-AT", "de"],
  ["pt", "pt-BR"],
  ["zh-CN", "zh-Hans"],
  ["iw", "he"],
  ["tlh", undefined],
  ["no language", undefined],
])
  test(`"${tag}" is taken for ${language}`, () => assert.equal(known(tag), language));

test("a place in line is counted as English does", () => {
  const words = new Words("en", english);
  const places = [2, 3, 4, 11, 12, 13, 21, 22, 23, 101, 111].map((n) => words.of("place", { n }));
  assert.deepEqual(
    places.map((text) => /are (\w+) in/.exec(text)[1]),
    "2nd 3rd 4th 11th 12th 13th 21st 22nd 23rd 101st 111th".split(" "),
  );
});

for (const [seconds, about] of [
  [21, "30 seconds"],
  [46, "1 minute"],
  [89, "1 minute"],
  [90, "2 minutes"],
  [7200, "2 hours"],
])
  test(`a wait of ${seconds} s is one of about ${about}`, () => {
    assert.equal(new Words("en", english).duration(seconds), about);
  });

test("when to try again is told in the visitor's language", async () => {
  const german = (await import(fileOf("de"))).default;
  const advice = (retryAfter) => new ProblemWords(new Words("de", german)).advice(new Problem("rate-limited", { retryAfter }));
  assert.equal(advice(20), "Versuchen Sie es in 20 Sekunden erneut.");
  assert.equal(advice(600), "Versuchen Sie es in 10 Minuten erneut.");
  assert.equal(advice(undefined), "Versuchen Sie es gleich erneut.");
});

test("each problem that is named has a title and a next step", () => {
  for (const key of new Set([...Object.values(WORDS_OF), "other"]))
    for (const part of ["Title", "Step"]) assert.ok(english[key + part], key + part);
});

test("what is labelled is labelled anew in another language", async () => {
  const words = new Words();
  const element = { textContent: "" };
  words.label(element, "start");
  assert.equal(element.textContent, "");
  words.become("en", english);
  assert.equal(element.textContent, "Start");
  words.become("de", (await import(fileOf("de"))).default);
  assert.equal(element.textContent, "Starten");
});
