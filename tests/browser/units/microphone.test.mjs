import assert from "node:assert/strict";
import test from "node:test";

import { Microphone } from "../../../static/shared/speech/microphone.js";

class Track extends EventTarget {
  stopped = false;
  stop() {
    this.stopped = true;
  }
}

class Recorder extends EventTarget {
  state = "inactive";
  mimeType = "audio/webm;codecs=opus";
  constructor(stream) {
    super();
    this.stream = stream;
  }
  start() {
    this.state = "recording";
  }
  stop() {
    this.state = "inactive";
    this.dispatchEvent(Object.assign(new Event("dataavailable"), { data: new Blob(["sound"]) }));
    this.dispatchEvent(new Event("stop"));
  }
}

/** A microphone, and the track that it gives. */
function microphone() {
  const track = new Track();
  const devices = { getUserMedia: async () => ({ getTracks: () => [track] }) };
  return { microphone: new Microphone(devices, Recorder), track };
}

test("a take is whole and of its kind, and afterwards the microphone is closed", async () => {
  const { microphone: mic, track } = microphone();
  await mic.open(() => {});
  assert.equal(track.stopped, false);
  const { blob, seconds } = await mic.finish();
  assert.deepEqual([await blob.text(), blob.type], ["sound", "audio/webm;codecs=opus"]);
  assert.ok(seconds >= 0);
  assert.equal(track.stopped, true);
  assert.equal(await mic.finish(), null);
});

test("a microphone that is pulled out is told, and what it gave is kept", async () => {
  const { microphone: mic, track } = microphone();
  const lost = new Promise((resolve) => void mic.open(resolve));
  await new Promise(setImmediate);
  track.dispatchEvent(new Event("ended"));
  await lost;
  assert.equal(await (await mic.finish()).blob.text(), "sound");
});

test("no leave for the microphone is an error, and nothing is recorded", async () => {
  const refused = new DOMException("", "NotAllowedError");
  const devices = { getUserMedia: () => Promise.reject(refused) };
  const mic = new Microphone(devices, Recorder);
  await assert.rejects(mic.open(() => {}), refused);
  assert.equal(await mic.finish(), null);
});
