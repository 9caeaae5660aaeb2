import { write } from "./languages.js";
import { pieces } from "./sentences.js";

/** A pause ends a sentence only after so much of the time that it should take. */
const EARLIEST = 0.65;
/** Without any pause it is over after so much of it. */
const LATEST = 1.4;

/**
 * @typedef {{from: number, to: number | null, text: string}} Cue Milliseconds of `performance.now`.
 * @typedef {import("./sentences.js").Piece} Piece
 * @typedef {import("./tempo.js").Tempo} Tempo
 */

/**
 * Shows the words that are being said, sentence by sentence, in time with the voice.
 *
 * Nothing says which word is being said. A sentence is over when the voice pauses about when it
 * should, and how long that is, `Tempo` learns from the sentences before. Where no pause can be
 * heard, its time alone counts.
 */
export class Captions {
  #element;
  #log;
  #tempo;
  /** @type {Piece[]} What is shown, and what follows it. */
  #rest = [];
  /** @type {Cue[]} */
  #cues = [];
  /** Which sentence it is, and how many of them were told to screen readers. */
  #index = 0;
  #told = 0;
  /** When the sentence of what is shown began, and its words so far. */
  #sentence = { since: 0, text: "" };
  /** Whether pauses are heard; known from the first on. */
  #hears = false;
  /** When the voice paused, if it has not come back. @type {number | null} */
  #paused = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {HTMLElement} element For those who see.
   * @param {HTMLElement} log For screen readers: a sentence once, when it begins.
   * @param {Tempo} tempo
   */
  constructor(element, log, tempo) {
    this.#element = element;
    this.#log = log;
    this.#tempo = tempo;
  }

  /**
   * Begins with a text.
   *
   * @param {string} text
   * @param {boolean} [again] It was begun before, in vain: nobody is told twice.
   * @returns {Cue[]} What is shown and when; it grows.
   */
  show(text, again = false) {
    this.hide();
    this.#rest = pieces(text);
    this.#cues = [];
    this.#index = 0;
    if (!again) this.#told = 0;
    this.#begin();
    return this.#cues;
  }

  /** @param {boolean} voice Whether sound begins, or pauses. */
  heard(voice) {
    this.#hears = true;
    const now = performance.now();
    if (!voice) this.#paused = now;
    else if (this.#paused !== null) this.#breathed(this.#paused);
    if (voice) this.#paused = null;
  }

  hide() {
    clearTimeout(this.#timer);
    // What was said last was over when the voice fell silent, and not when that was sure.
    this.#close(this.#paused ?? performance.now());
    this.#paused = null;
    this.#rest = [];
    this.#sentence = { since: 0, text: "" };
    this.#element.hidden = true;
  }

  /** @param {number} paused When the pause began that is over now. */
  #breathed(paused) {
    const [piece] = this.#rest;
    if (!piece?.ends || this.#rest.length < 2) return;
    const { since, text } = this.#sentence;
    if (paused - since < EARLIEST * this.#tempo.expected(text)) return;
    this.#tempo.learn(text, performance.now() - since);
    this.#next();
  }

  #next() {
    const now = performance.now();
    this.#close(now);
    if (this.#rest.shift()?.ends) {
      this.#sentence.text = "";
      this.#index += 1;
    }
    this.#begin();
  }

  #begin() {
    clearTimeout(this.#timer);
    const [piece] = this.#rest;
    if (!piece) return;
    const now = performance.now();
    this.#cues.push({ from: now, to: null, text: piece.text });
    write(this.#element, piece.text);
    this.#element.hidden = false;
    if (this.#sentence.text === "") {
      this.#sentence.since = now;
      this.#tell();
    }
    this.#sentence.text += `${piece.text} `;
    // The last piece stays until the voice ends: its time is a guess, its end is not.
    if (this.#rest.length < 2) return;
    const ms = this.#tempo.expected(piece.text) * (this.#hears && piece.ends ? LATEST : 1);
    this.#timer = setTimeout(() => this.#next(), ms);
  }

  // Added to a log, which is read out politely, and only what is added.
  #tell() {
    if (this.#index < this.#told) return;
    this.#told = this.#index + 1;
    const length = this.#rest.findIndex(({ ends }) => ends) + 1;
    const told = document.createElement("p");
    write(told, this.#rest.slice(0, length).map(({ text }) => text).join(" "));
    this.#log.append(told);
    while (this.#log.childElementCount > 3) this.#log.firstElementChild?.remove();
  }

  /** @param {number} at */
  #close(at) {
    const cue = this.#cues.at(-1);
    if (cue && cue.to === null) cue.to = Math.max(at, cue.from);
  }
}
