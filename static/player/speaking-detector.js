import { LevelGate } from "../shared/level-gate.js";

const SAMPLE_MS = 50;

/** Listens to a stream and tells when it begins and stops to speak; no server says so (D18). */
export class SpeakingDetector {
  #context = new AudioContext();
  #gate;
  #timer;

  /**
   * @param {MediaStream} stream Must also play in an element: Chromium gives no samples otherwise.
   * @param {(speaking: boolean) => void} onChange
   * @param {LevelGate} [gate]
   */
  constructor(stream, onChange, gate = new LevelGate()) {
    this.#gate = gate;
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 1024;
    this.#context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.#timer = setInterval(() => {
      this.#wake();
      analyser.getFloatTimeDomainData(samples);
      if (this.#gate.feed(rootMeanSquare(samples), performance.now())) onChange(this.#gate.open);
    }, SAMPLE_MS);
  }

  async close() {
    clearInterval(this.#timer);
    await this.#context.close();
  }

  // Without a gesture a browser keeps the context asleep, and warns each time it is asked.
  #wake() {
    const asleep = this.#context.state === "suspended";
    if (asleep && navigator.userActivation?.hasBeenActive !== false) void this.#context.resume();
  }
}

/** @param {Float32Array} samples */
function rootMeanSquare(samples) {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
}
