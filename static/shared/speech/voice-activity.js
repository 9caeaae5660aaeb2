import { LevelGate } from "../level-gate.js";

const LOOK_MS = 50;
const BLOCK_SECONDS = 0.01;

/** About a third of a second: the longest gap between two looks that misses nothing. */
const BUFFER_SAMPLES = 16_384;

/**
 * Hears the pauses at commas and between sentences, which the player's own events pass over; what
 * is shorter is within a word.
 */
const ATTENTIVE = { attackMs: 40, releaseMs: 110 };

/** Listens to whatever the stage plays, whichever player plays it; hears nothing if it can't. */
export class VoiceActivityDetector {
  /** Whether it has heard anything: a browser may let nobody listen. */
  hears = false;
  #onVoice;
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /** @param {(voice: boolean) => void} onVoice Told when sound begins, and when it pauses. */
  constructor(onVoice) {
    this.#onVoice = onVoice;
  }

  /** @param {MediaProvider | null | undefined} source What the stage's video shows. */
  listen(source) {
    this.close();
    if (!(source instanceof MediaStream) || source.getAudioTracks().length === 0) return;
    const context = (this.#context = new AudioContext());
    const analyser = context.createAnalyser();
    analyser.fftSize = BUFFER_SAMPLES;
    context.createMediaStreamSource(source).connect(analyser);
    const samples = new Float32Array(BUFFER_SAMPLES);
    const gate = new LevelGate(ATTENTIVE);
    let until = context.currentTime;
    this.#timer = setInterval(() => {
      this.#wake(context);
      const count = Math.round((context.currentTime - until) * context.sampleRate);
      until = context.currentTime;
      analyser.getFloatTimeDomainData(samples);
      const news = count > 0 ? samples.subarray(-Math.min(count, samples.length)) : samples.subarray(0, 0);
      for (const voice of voiceChanges(gate, news, context.sampleRate, until)) {
        this.hears = true;
        this.#onVoice(voice);
      }
    }, LOOK_MS);
  }

  close() {
    clearInterval(this.#timer);
    void this.#context?.close();
    this.#context = null;
    this.hears = false;
  }

  // Without a gesture a browser keeps the context asleep, and warns each time it is asked.
  /** @param {AudioContext} context */
  #wake(context) {
    const asleep = context.state === "suspended";
    if (asleep && navigator.userActivation?.hasBeenActive !== false) void context.resume();
  }
}

/**
 * Feeds sound to a gate block by block, so that nothing depends on how often one looks.
 *
 * @param {LevelGate} gate
 * @param {Float32Array} samples
 * @param {number} rate In samples a second.
 * @param {number} until When the sound ends, in seconds.
 * @returns {boolean[]} Each time that a voice began or paused.
 */
export function voiceChanges(gate, samples, rate, until) {
  const size = Math.round(rate * BLOCK_SECONDS);
  const found = [];
  for (let at = 0; at < samples.length; at += size) {
    const block = samples.subarray(at, at + size);
    const level = Math.sqrt(block.reduce((sum, sample) => sum + sample * sample, 0) / block.length);
    if (gate.feed(level, (until - (samples.length - at) / rate) * 1000)) found.push(gate.open);
  }
  return found;
}
