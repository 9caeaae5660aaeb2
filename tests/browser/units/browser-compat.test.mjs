import assert from "node:assert/strict";
import test from "node:test";

import { deadline, parsedUrl } from "../../../static/shared/browser-compat.js";

/** @param {AbortSignal} signal */
function aborted(signal) {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(signal.reason)));
}

test("a call ends at its deadline, or when its caller has had enough", async () => {
  assert.equal((await aborted(deadline(1))).name, "TimeoutError");
  assert.equal((await aborted(deadline(1, new AbortController().signal))).name, "TimeoutError");
  const caller = new AbortController();
  const both = deadline(60_000, caller.signal);
  caller.abort("enough");
  assert.equal(both.reason, "enough");
  assert.equal(deadline(60_000, caller.signal).reason, "enough");
});

test("what is no address is null", () => {
  assert.equal(parsedUrl("http://["), null);
  assert.equal(parsedUrl("/a"), null);
  assert.equal(parsedUrl("/a", new URL("https://b.test/c"))?.href, "https://b.test/a");
});
