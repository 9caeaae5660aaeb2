import { byId } from "../../shared/dom.js";
import { formatDuration } from "../../shared/duration.js";
import { isUnclear } from "../../shared/speech/line-state.js";

const TICK_MS = 250;

/** @type {Record<string, string>} Why there is no microphone, by the name of the browser's error. */
const REASONS = {
  NotAllowedError: "The microphone is not allowed here. Allow it in the browser, then press Record again.",
  NotFoundError: "No microphone was found.",
  NotReadableError: "The microphone is in use by something else.",
};

/**
 * @typedef {import("../../shared/speech/microphone.js").Take} Take
 * @typedef {"empty" | "asking" | "recording" | "kept" | "sending"} RecordingState
 */

/** The panel in which one records what the avatar shall say, hears it first, and lets it be said. */
export class RecordingPanel {
  #element = byId("recorder");
  #words = byId("recorder-words");
  #clock = byId("recorder-clock");
  #record = button("record");
  #finish = button("finish");
  #listen = button("listen");
  #say = button("say-recording");
  #discard = button("discard");
  #audio = /** @type {HTMLAudioElement} */ (byId("recording"));
  #microphone;
  #maxSeconds;
  /** @type {RecordingState} */
  #stage = "empty";
  /** @type {Take | null} */
  #take = null;
  #enabled = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /**
   * @param {import("../../shared/speech/microphone.js").Microphone} microphone
   * @param {number} maxSeconds
   * @param {(take: Take) => Promise<unknown>} onSay Rejects with a `Problem`: the recording is kept.
   */
  constructor(microphone, maxSeconds, onSay) {
    this.#microphone = microphone;
    this.#maxSeconds = maxSeconds;
    this.#element.hidden = false;
    this.#record.addEventListener("click", () => void this.#open());
    this.#finish.addEventListener("click", () => void this.#close());
    this.#listen.addEventListener("click", () => this.#play());
    this.#say.addEventListener("click", () => void this.#send(onSay));
    this.#discard.addEventListener("click", () => this.#drop());
    for (const event of ["play", "pause", "ended"])
      this.#audio.addEventListener(event, () => this.#draw());
    this.#become("empty", "");
  }

  /** @param {boolean} enabled Whether there is someone to say it. */
  enable(enabled) {
    this.#enabled = enabled;
    this.#draw();
  }

  async #open() {
    this.#become("asking", "Waiting for the microphone");
    try {
      await this.#microphone.open(() => void this.#close());
    } catch (error) {
      const name = error instanceof Error ? error.name : "";
      this.#become("empty", REASONS[name] ?? "The microphone can't be used.");
      this.#record.focus();
      return;
    }
    this.#become("recording", "Recording");
    this.#finish.focus();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#tick();
  }

  #tick() {
    const { seconds } = this.#microphone;
    this.#clock.textContent = formatDuration(seconds);
    if (seconds >= this.#maxSeconds) void this.#close();
  }

  async #close() {
    clearInterval(this.#timer);
    const take = await this.#microphone.finish();
    if (!take) return;
    this.#take = take;
    this.#audio.src = URL.createObjectURL(take.blob);
    this.#clock.textContent = formatDuration(take.seconds);
    this.#become("kept", "Recorded");
    (this.#say.disabled ? this.#listen : this.#say).focus();
  }

  #play() {
    if (this.#audio.paused) void this.#audio.play().catch(() => {});
    else this.#audio.pause();
  }

  /** @param {(take: Take) => Promise<unknown>} onSay */
  async #send(onSay) {
    if (!this.#take) return;
    this.#audio.pause();
    this.#become("sending", "On its way");
    try {
      await onSay(this.#take);
      this.#drop("It will be said");
    } catch (error) {
      const { name } = /** @type {Error} */ (error);
      this.#become("kept", isUnclear(name) ? "Kept: you may hear it, or not" : "Kept, since it was not taken");
      this.#say.focus();
    }
  }

  #drop(words = "") {
    this.#audio.pause();
    URL.revokeObjectURL(this.#audio.src);
    this.#audio.removeAttribute("src");
    this.#take = null;
    this.#become("empty", words);
    this.#record.focus();
  }

  /**
   * @param {RecordingState} stage
   * @param {string} words
   */
  #become(stage, words) {
    this.#stage = stage;
    this.#words.textContent = words;
    this.#draw();
  }

  #draw() {
    const stage = this.#stage;
    const hasTake = stage === "kept" || stage === "sending";
    this.#element.dataset.stage = stage;
    this.#record.hidden = hasTake || stage === "recording";
    this.#record.disabled = !this.#enabled || stage === "asking";
    this.#finish.hidden = stage !== "recording";
    for (const shown of [this.#listen, this.#say, this.#discard]) shown.hidden = !hasTake;
    for (const shown of [this.#listen, this.#discard]) shown.disabled = stage === "sending";
    this.#say.disabled = stage !== "kept" || !this.#enabled;
    this.#listen.textContent = this.#audio.paused ? "Listen" : "Pause";
    this.#clock.hidden = !hasTake && stage !== "recording";
  }
}

/** @param {string} id */
function button(id) {
  return /** @type {HTMLButtonElement} */ (byId(id));
}
