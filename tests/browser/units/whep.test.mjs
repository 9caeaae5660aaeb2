import assert from "node:assert/strict";
import test from "node:test";

import { allowedMediaUrl } from "../../../static/player/media-hosts.js";
import { resolveViewerUrl, subscribe } from "../../../static/player/whep.js";

const BASE = "https://api.example/v1/avatar-session";

for (const [location, posted, expected] of [
  ["/whep/session/s/viewer/v", "https://m.example/edge/whep/session/s?x=1", "https://m.example/edge/whep/session/s/viewer/v"],
  ["/whep/session/s/viewer/v", "https://m.example/rtc/v1/whep/?app=a", "https://m.example/rtc/v1/whep/viewer/v"],
  ["https://other.example/v/1", "https://m.example/whep", "https://other.example/v/1"],
  ["/rtc/v1/whep/?action=delete&id=1", "https://m.example/rtc/v1/whep/?a=b", "https://m.example/rtc/v1/whep/?action=delete&id=1"],
  ["viewer/7", "https://m.example/whep/s/", "https://m.example/whep/s/viewer/7"],
  [null, "https://m.example/whep", undefined],
]) {
  test(`Location ${location} after ${posted}`, () => {
    assert.equal(resolveViewerUrl(location, new URL(posted))?.href, expected);
  });
}

for (const address of [
  "http://media.example/whep",
  "https://localhost/whep",
  "https://127.0.0.1/whep",
  "https://2130706433/whep",
  "https://10.1.2.3/whep",
  "https://172.31.0.1/whep",
  "https://192.168.0.1/whep",
  "https://169.254.169.254/whep",
  "https://100.64.0.1/whep",
  "https://[::1]/whep",
  "https://[::ffff:10.0.0.1]/whep",
  "https://[fd00::1]/whep",
  "https://[fe80::1]/whep",
  "https://router/whep",
  "https://nas.local/whep",
  "javascript:alert(1)",
  "not an address",
]) {
  test(`${address} is not called for a public Control API`, () => {
    assert.throws(() => allowedMediaUrl(address, BASE), { code: "media-address-refused" });
  });
}

for (const [address, base] of [
  ["https://media.example/whep", BASE],
  ["https://[2001:db8::1]/whep", BASE],
  ["https://172.32.0.1/whep", BASE],
  ["http://127.0.0.1:9/whep", "http://127.0.0.1:8000/v1/avatar-session"],
  ["http://192.168.0.7:8001/whep", "http://192.168.0.7:8000/v1/avatar-session"],
]) {
  test(`${address} is called for ${base}`, () => {
    assert.equal(allowedMediaUrl(address, base).href, address);
  });
}

/** A `fetch` that gives these one after the other and remembers how it was called. */
function scripted(...outcomes) {
  const calls = [];
  const fetch = async (url, init) => {
    calls.push({ url: String(url), ...init });
    const outcome = outcomes.shift();
    if (outcome instanceof Error) throw outcome;
    return outcome;
  };
  return { fetch, calls };
}

const url = new URL("https://m.example/whep/session/s");
const created = () =>
  new Response("answer", { status: 201, headers: { Location: "/whep/session/s/viewer/v" } });
const options = (fetch) => ({ fetch, pauseMs: 0 });

test("the offer is posted as SDP, without any credential", async () => {
  const { fetch, calls } = scripted(created());
  const { answer, viewerUrl } = await subscribe(url, "offer", options(fetch));
  assert.equal(answer, "answer");
  assert.equal(viewerUrl.href, "https://m.example/whep/session/s/viewer/v");
  assert.equal(calls[0].method, "POST");
  assert.equal(calls[0].body, "offer");
  assert.deepEqual(calls[0].headers, { "Content-Type": "application/sdp" });
});

test("an offer without an answer is made again, three times at most", async () => {
  const lucky = scripted(new TypeError("net"), new DOMException("", "TimeoutError"), created());
  await subscribe(url, "offer", options(lucky.fetch));
  assert.equal(lucky.calls.length, 3);

  const unlucky = scripted(new TypeError("net"), new TypeError("net"), new TypeError("net"));
  await assert.rejects(subscribe(url, "offer", options(unlucky.fetch)), { code: "network" });
  assert.equal(unlucky.calls.length, 3);
});

for (const [status, code] of [
  [404, "session-not-found"],
  [409, "viewer-taken"],
  [415, "unsupported-media-type"],
  [503, "media-refused"],
]) {
  test(`status ${status} is final: ${code}`, async () => {
    const { fetch, calls } = scripted(new Response("", { status }), created());
    await assert.rejects(subscribe(url, "offer", options(fetch)), { code });
    assert.equal(calls.length, 1);
  });
}

test("a viewer's place that an unanswered offer may have taken is not said to be another's", async () => {
  const { fetch } = scripted(new DOMException("", "TimeoutError"), new Response("", { status: 409 }));
  await assert.rejects(subscribe(url, "offer", options(fetch)), { code: "timeout" });
});

test("who no longer wants the picture does not ask again", async () => {
  const { fetch, calls } = scripted(new TypeError("net"), created());
  const gone = AbortSignal.abort();
  await assert.rejects(subscribe(url, "offer", { ...options(fetch), signal: gone }), { name: "AbortError" });
  assert.equal(calls.length, 1);
});
