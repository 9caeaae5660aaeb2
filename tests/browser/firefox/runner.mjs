// Starts Firefox once, and plays each scenario that a line of the input asks for in a context of
// its own. Writes one line for each: `{}` when its rules were kept, else `{"error": ...}`. Firefox
// ends with the input.
import assert from "node:assert/strict";
import process from "node:process";
import { createInterface } from "node:readline";

import puppeteer from "puppeteer-core";

import * as scenarios from "./scenarios.mjs";
import { Visitor } from "./visitor.mjs";

/** What a machine of CI lacks, and what nobody is there to allow. */
const PREFERENCES = {
  "layout.frame_rate": 20, // without a graphics card each frame costs much
  "ui.prefersReducedMotion": 1,
  "media.cubeb.force_mock_context": true, // a sound device, without which Web Audio stands still
  "media.navigator.permission.disabled": true, // the microphone is allowed
  "media.navigator.streams.fake": true, // and hums
  "media.peerconnection.ice.loopback": true, // the emulator's address may be a way
};

/** @param {{scenario: string, url: string, emulatorUrl: string}} asked */
async function play({ scenario, ...demo }) {
  const [contexts, visitors] = [[], []];
  const visit = async () => {
    contexts.push(await browser.createBrowserContext());
    visitors.push(await Visitor.arrive(contexts.at(-1), demo));
    return visitors.at(-1);
  };
  try {
    await scenarios[scenario](visit);
  } finally {
    for (const context of contexts) await context.close();
  }
  assert.deepEqual(visitors.flatMap(({ errors }) => errors), []);
}

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: process.argv[2],
  extraPrefsFirefox: PREFERENCES,
});
const tell = (/** @type {object} */ told) => process.stdout.write(`${JSON.stringify(told)}\n`);
tell({ pid: browser.process()?.pid });
for await (const line of createInterface({ input: process.stdin })) {
  const verdict = await play(JSON.parse(line)).then(
    () => ({}),
    (error) => ({ error: String(error.stack ?? error) }),
  );
  tell(verdict);
}
await browser.close();
