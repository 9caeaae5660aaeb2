// What a visitor does and may expect; `tests/browser/firefox/test_firefox.py` asks for each by name.
import assert from "node:assert/strict";

const SENTENCE = "I could go on about this for a very long time.";
/** Would be heard for longer than a visitor waits for silence. */
const LONG = Array(16).fill(SENTENCE).join(" ");

export async function talking(visit) {
  const visitor = await visit();
  await visitor.statusIs("Ready");
  const sessionId = await visitor.start();
  assert.equal((await visitor.session(sessionId)).state, "live");

  let before = await visitor.mediaTime();
  await visitor.speak(LONG);
  await visitor.sees(".transcript .fate", "speaking");
  await visitor.sees(".caption", SENTENCE);
  await visitor.hears(before);
  await visitor.click("Stop");
  await visitor.sees(".transcript .fate", "stopped");
  await visitor.sees(".caption");
  await visitor.goesSilent();

  await visitor.click("Record");
  await visitor.sees("#recorder-clock", "0:02");
  await visitor.click("Finish");
  await visitor.sees("#recorder-words", "Recorded");
  await visitor.click("Listen");
  await visitor.sees("#listen", "Pause");
  await visitor.sees("#listen", "Listen");
  before = await visitor.mediaTime();
  await visitor.click("Say it");
  await visitor.sees(".transcript .fate", "speaking", "stopped");
  await visitor.hears(before);
  await visitor.sees(".transcript .fate", "said", "stopped");

  await visitor.click("End");
  await visitor.statusIs("Ended");
  await visitor.sawTheEndOf(sessionId);
  assert.deepEqual(await visitor.said(sessionId), [LONG]);
  assert.equal((await visitor.said(sessionId, "say-audio")).length, 1);
}

export async function resuming(visit) {
  const visitor = await visit();
  const sessionId = await visitor.start();
  await visitor.speak("This was said.");
  await visitor.sees(".caption", "This was said.");
  await visitor.sees(".transcript .fate", "said");
  await visitor.sees(".caption");
  await visitor.page.locator(">>> #text").fill("This is not finished");

  await visitor.page.reload();
  await visitor.sees("#offer-title", "Your avatar is still here");
  await visitor.click("Resume");
  assert.equal(await visitor.goesLive(), sessionId);
  assert.equal(await visitor.page.$eval(">>> #text", ({ value }) => value), "This is not finished");
  const before = await visitor.mediaTime();
  await visitor.speak("Here we are again.");
  await visitor.hears(before);
  await visitor.sees(".transcript .fate", "said", "said");
  await visitor.sees(".transcript .words", "Here we are again.", "This was said.");

  // A tab that is closed is no scenario: in Firefox under WebDriver, what any page sends then, by
  // whichever means, arrives about every other time. `test_vanishing.py` says what follows from that.
  await visitor.page.goto("about:blank");
  await visitor.sawTheEndOf(sessionId);
}

export async function embedded(visit) {
  const visitor = await visit();
  await visitor.click("Start");
  await visitor.elementIs(({ state }) => state === "live");
  const sessionId = await visitor.page.$eval("kaltura-avatar", (avatar) => avatar.sessionId);
  await visitor.elementIs(({ shadowRoot }) => shadowRoot.querySelector("video").currentTime > 1);
  await visitor.speak("Hello from a shop.");
  await visitor.elementIs(({ utterances }) => utterances.at(-1)?.state === "said");

  await visitor.page.reload();
  await visitor.click("Resume");
  await visitor.elementIs(({ state }) => state === "live");
  assert.equal(await visitor.page.$eval("kaltura-avatar", (avatar) => avatar.sessionId), sessionId);
  await visitor.click("End");
  await visitor.sawTheEndOf(sessionId);
  assert.deepEqual(await visitor.said(sessionId), ["Hello from a shop."]);
}
