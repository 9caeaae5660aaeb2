import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";

const PATIENCE_MS = 20_000;
const LOOK_MS = 50;
const AUDIBLE = 0.01;
const SILENT = 0.003;
const PROBE = await readFile(new URL("../probe.js", import.meta.url), "utf8");

/** One visitor's tab; `errors` holds what the console and the page complained about. */
export class Visitor {
  errors = [];
  #emulatorUrl;

  /** Opens the page of a broker in a tab of its own. */
  static async arrive(context, { url, emulatorUrl }) {
    const visitor = new Visitor(await context.newPage(), emulatorUrl);
    await visitor.page.setViewport({ width: 640, height: 480 });
    await visitor.page.goto(url);
    return visitor;
  }

  constructor(page, emulatorUrl) {
    this.page = page;
    this.#emulatorUrl = emulatorUrl;
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => this.errors.push(`thrown: ${error}`));
    page.on("console", (message) => {
      if (message.type() === "error") this.errors.push(`console: ${message.text()}`);
    });
  }

  /** Clicks the button of this name, in this tab before all others. */
  async click(name) {
    await this.page.bringToFront();
    const button = await this.page.waitForFunction(usableButton, {}, name);
    await button.click();
  }

  /** Waits until the elements of a selector that are shown have exactly these texts. */
  async sees(selector, ...texts) {
    await eventually(() => this.page.$$eval(`>>> ${selector}`, shownTexts), texts);
  }

  /** Waits until something holds of the element. */
  async elementIs(holds) {
    await this.page.waitForFunction(`(${holds})(document.querySelector("kaltura-avatar"))`);
  }

  async statusIs(words) {
    await this.sees("[role=status]", words);
  }

  /** Clicks Start, and returns the session's id when its picture moves. */
  async start() {
    await this.click("Start");
    return this.goesLive();
  }

  /** Waits until the picture moves, and returns the session's id: the only one of this visitor. */
  async goesLive() {
    await this.statusIs("Live");
    await this.page.bringToFront(); // else no frame is drawn
    await this.page.evaluate(PROBE);
    await this.page.waitForFunction("probe.frames() > 2");
    const { sessions } = await this.page.evaluate(
      async () => (await fetch("/api/avatar-sessions")).json(),
    );
    assert.equal(sessions.length, 1);
    return sessions[0].sessionId;
  }

  /** Types a text and clicks Speak. */
  async speak(text) {
    await this.page.locator(">>> #text").fill(text);
    await this.click("Speak");
  }

  /** Seconds of media that were played. */
  async mediaTime() {
    return this.page.evaluate("probe.time()");
  }

  /** Waits until a voice is heard after a moment of the media. */
  async hears(since) {
    await this.page.waitForFunction(
      `probe.heardSince(${since}).some(({ loudness }) => loudness > ${AUDIBLE})`,
    );
  }

  /** Waits until nothing was heard for a second: Firefox's sound without a device lags. */
  async goesSilent() {
    await this.page.waitForFunction(
      `probe.heardSince(probe.time() - 1).every(({ loudness }) => loudness < ${SILENT})`,
    );
  }

  /** Waits until the emulator's session has ended. */
  async sawTheEndOf(sessionId) {
    await eventually(async () => (await this.session(sessionId)).state, "ended");
  }

  /** What the emulator was told to say, by an operation. */
  async said(sessionId, operation = "say-text") {
    const { calls } = await this.session(sessionId);
    return calls.filter((call) => call.operation === operation).map(({ text }) => text);
  }

  /** What the emulator knows of a session. */
  async session(sessionId) {
    const answer = await fetch(`${this.#emulatorUrl}/emulator/sessions`);
    const { sessions } = await answer.json();
    return sessions.find((session) => session.sessionId === sessionId);
  }
}

/** Polls until what is read is as expected, and fails with the difference when it never is. */
async function eventually(read, expected) {
  for (const until = performance.now() + PATIENCE_MS; ; await pause(LOOK_MS)) {
    const actual = await read();
    if (performance.now() > until) return assert.deepEqual(actual, expected);
    if (isDeepStrictEqual(actual, expected)) return;
  }
}

/** Runs inside the page, and looks into the element's shadow root too. */
function usableButton(name) {
  const roots = [document, document.querySelector("kaltura-avatar").shadowRoot];
  const buttons = roots.flatMap((root) => [...(root?.querySelectorAll("button:enabled") ?? [])]);
  return buttons.find((button) => button.checkVisibility() && button.textContent === name);
}

/** Runs inside the page. */
function shownTexts(elements) {
  return elements.filter((element) => element.checkVisibility()).map(({ textContent }) => textContent);
}
