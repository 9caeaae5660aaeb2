const SAMPLE_MS = 50;

/**
 * Decides from a level whether someone speaks, without flickering.
 *
 * Speech begins when the level stays above `loud` for `attackMs`, and ends when it stays below
 * `quiet` for `releaseMs`: long enough to bridge the pause between two sentences.
 */
export class LevelGate {
  #loud;
  #quiet;
  #attackMs;
  #releaseMs;
  #open = false;
  /** @type {number | null} When the level first contradicted the present state. */
  #since = null;

  /** @param {{loud?: number, quiet?: number, attackMs?: number, releaseMs?: number}} [options] */
  constructor({ loud = 0.012, quiet = 0.006, attackMs = 80, releaseMs = 650 } = {}) {
    this.#loud = loud;
    this.#quiet = quiet;
    this.#attackMs = attackMs;
    this.#releaseMs = releaseMs;
  }

  get open() {
    return this.#open;
  }

  /**
   * Takes one measurement and returns whether the state changed.
   *
   * @param {number} level Root mean square, 0 to 1.
   * @param {number} now Milliseconds on any steady clock.
   * @returns {boolean}
   */
  feed(level, now) {
    const contradicts = this.#open ? level < this.#quiet : level > this.#loud;
    if (!contradicts) {
      this.#since = null;
      return false;
    }
    this.#since ??= now;
    if (now - this.#since < (this.#open ? this.#releaseMs : this.#attackMs)) return false;
    this.#open = !this.#open;
    this.#since = null;
    return true;
  }
}

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
