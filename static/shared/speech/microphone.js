const BITS_PER_SECOND = 64_000;

/**
 * @typedef {{blob: Blob, seconds: number}} Take
 * @typedef {Pick<MediaDevices, "getUserMedia">} Devices
 */

/** Whether this browser can record; it can't in a page that did not come over https. */
export function canRecord() {
  return Boolean(globalThis.navigator?.mediaDevices) && typeof MediaRecorder === "function";
}

/** Records one take at a time; the microphone is open only while it does. */
export class Microphone {
  #devices;
  #Recorder;
  /** @type {MediaRecorder | null} */
  #recorder = null;
  /** @type {Blob[]} */
  #parts = [];
  #began = 0;

  /**
   * @param {Devices} [devices]
   * @param {typeof MediaRecorder} [Recorder]
   */
  constructor(devices = navigator.mediaDevices, Recorder = MediaRecorder) {
    this.#devices = devices;
    this.#Recorder = Recorder;
  }

  /**
   * Asks for the microphone and begins.
   *
   * @param {() => void} onLost Told when the microphone went away meanwhile.
   * @returns {Promise<void>} Rejects with a `DOMException` when it may not be used, or there is none.
   */
  async open(onLost) {
    const stream = await this.#devices.getUserMedia({ audio: true });
    const recorder = new this.#Recorder(stream, { audioBitsPerSecond: BITS_PER_SECOND });
    this.#parts = [];
    recorder.addEventListener("dataavailable", ({ data }) => this.#parts.push(data));
    for (const track of stream.getTracks()) track.addEventListener("ended", onLost);
    recorder.start();
    this.#began = performance.now();
    this.#recorder = recorder;
  }

  /** How long the take is by now. */
  get seconds() {
    return (performance.now() - this.#began) / 1000;
  }

  /**
   * Ends the take and gives it.
   *
   * @returns {Promise<Take | null>} null when nothing is being recorded.
   */
  async finish() {
    const recorder = this.#recorder;
    this.#recorder = null;
    if (!recorder) return null;
    const { seconds } = this;
    if (recorder.state !== "inactive") {
      const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve, { once: true }));
      recorder.stop();
      await stopped;
    }
    for (const track of recorder.stream.getTracks()) track.stop();
    return { blob: new Blob(this.#parts, { type: recorder.mimeType }), seconds };
  }
}
