import { CaptionProgress } from "./caption-progress.js";
import { writeText } from "./language-detection.js";

/**
 * @typedef {{from: number, to: number | null, text: string}} Cue Milliseconds of `performance.now`.
 * @typedef {import("../speaking-rate.js").SpeakingRate} SpeakingRate
 */

/** Shows the words that are being said, piece by piece, in time with the voice. */
export class Captions {
  #element;
  #log;
  #speakingRate;
  /** @type {CaptionProgress | null} */
  #progress = null;
  /** @type {Cue[]} */
  #cues = [];
  /** How many sentences of the text were told to screen readers. */
  #told = 0;
  /** Whether pauses are heard; known from the first on. */
  #hears = false;
  /** When the voice paused, if it has not come back. @type {number | null} */
  #paused = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {HTMLElement} element For those who see.
   * @param {HTMLElement} log For screen readers: a sentence once, when it begins.
   * @param {SpeakingRate} speakingRate
   */
  constructor(element, log, speakingRate) {
    this.#element = element;
    this.#log = log;
    this.#speakingRate = speakingRate;
  }

  /**
   * Begins with a text.
   *
   * @param {string} text
   * @param {{again?: boolean, elapsed?: number}} [how] `again`: it was begun before, in vain, and
   *   nobody is told twice. `elapsed`: for how many milliseconds it has been said already.
   * @returns {Cue[]} What is shown and when; it grows.
   */
  show(text, { again = false, elapsed = 0 } = {}) {
    this.hide();
    this.#progress = new CaptionProgress(text, this.#speakingRate, performance.now(), elapsed);
    this.#cues = [];
    if (!again) this.#told = 0;
    this.#begin();
    return this.#cues;
  }

  /** @param {string} text That is shown, and what was written since. */
  extend(text) {
    this.#progress?.extend(text);
    this.#await();
  }

  /**
   * @param {boolean} voice Whether sound begins, or pauses.
   * @returns {boolean} Whether the whole text was over before this sound.
   */
  heard(voice) {
    this.#hears = true;
    const now = performance.now();
    const isBack = voice && this.#paused !== null;
    this.#paused = voice ? null : now;
    const what = isBack && this.#progress?.paused(now);
    if (what === "next") this.#begin();
    else if (what === "goes on") this.#await();
    return what === "over";
  }

  hide() {
    clearTimeout(this.#timer);
    // The last words ended when the voice fell silent, not when that became certain.
    this.#close(this.#paused ?? performance.now());
    this.#paused = null;
    this.#progress = null;
    this.#element.hidden = true;
  }

  #begin() {
    const progress = this.#progress;
    const piece = progress?.piece;
    if (!piece) return;
    const now = performance.now();
    this.#close(now);
    this.#cues.push({ from: now, to: null, text: piece.text });
    writeText(this.#element, piece.text);
    this.#element.hidden = false;
    this.#tell(progress.sentence, piece.sentence);
    this.#await();
  }

  #await() {
    clearTimeout(this.#timer);
    const progress = this.#progress;
    const ms = progress?.due(performance.now(), this.#hears);
    if (ms === undefined) return;
    this.#timer = setTimeout(() => {
      progress?.next(performance.now());
      this.#begin();
    }, ms);
  }

  // Added to a log, which is read out politely, and only what is added.
  /**
   * @param {number} index
   * @param {string} text
   */
  #tell(index, text) {
    if (index < this.#told) return;
    this.#told = index + 1;
    const told = document.createElement("p");
    writeText(told, text);
    this.#log.append(told);
    while (this.#log.childElementCount > 3) this.#log.firstElementChild?.remove();
  }

  /** @param {number} at */
  #close(at) {
    const cue = this.#cues.at(-1);
    if (cue && cue.to === null) cue.to = Math.max(at, cue.from);
  }
}
