import { endsInPause, pieces, upToPauses } from "./sentences.js";

/** The share of its expected time after which a pause ends a piece. */
const EARLIEST = 0.65;
/**
 * Where pauses are heard, a sentence is over without one after so much of its time, and a part of
 * one after so much: a pause at a comma is short, and easily passed over.
 */
const LATEST = { sentence: 1.4, part: 1.15 };

/**
 * @typedef {import("./sentences.js").Piece} Piece
 * @typedef {import("../speaking-rate.js").SpeakingRate} SpeakingRate
 */

/**
 * How far a voice has come in a text; all times are milliseconds of one steady clock.
 *
 * Nothing says which word is being said. The voice pauses at marks, so a pause belongs to the mark
 * at which one should come about then, and what was said by then is known exactly. In between the
 * time that it should take counts, which `SpeakingRate` learns.
 */
export class CaptionProgress {
  #speakingRate;
  #pieces;
  #index = 0;
  /** When the piece began, or should have, as the last pause tells. */
  #since;
  /** When the sentence began, or null when that was not heard. @type {number | null} */
  #sentenceSince;
  #sentence = "";

  /**
   * @param {string} text
   * @param {SpeakingRate} speakingRate
   * @param {number} now
   * @param {number} [elapsed] For how long it has been said already.
   */
  constructor(text, speakingRate, now, elapsed = 0) {
    this.#speakingRate = speakingRate;
    this.#pieces = pieces(text);
    this.#since = now - elapsed;
    while (!this.isLast && now - this.#since >= this.#expected) {
      this.#since += this.#expected;
      this.#index += 1;
    }
    this.#sentenceSince = elapsed > 0 ? null : now;
    this.#sentence = this.piece?.text ?? "";
  }

  /** @param {string} text */
  extend(text) {
    this.#pieces = pieces(text);
  }

  /** The piece that is being said; undefined where there is nothing to say. */
  get piece() {
    return this.#pieces[this.#index];
  }

  get isLast() {
    return this.#index >= this.#pieces.length - 1;
  }

  /** The number of the sentence that is being said. */
  get sentence() {
    return this.#pieces.slice(0, this.#index).filter(({ ends }) => ends).length;
  }

  /**
   * Milliseconds until the next piece is due, or undefined when the last one is there: its time is
   * a guess, and its end is not.
   *
   * @param {number} now
   * @param {boolean} hears Whether pauses are heard.
   */
  due(now, hears) {
    if (this.isLast) return undefined;
    const words = this.piece?.text ?? "";
    const latest = this.piece?.ends ? LATEST.sentence : endsInPause(words) ? LATEST.part : 1;
    return Math.max(0, this.#expected * (hears ? latest : 1) - (now - this.#since));
  }

  /**
   * Notes that the voice is back from a pause.
   *
   * @param {number} now
   * @returns {"goes on" | "next" | "over"} Whether the piece or the whole text was over with that.
   */
  paused(now) {
    const piece = this.piece?.text;
    if (piece === undefined) return "goes on";
    const elapsed = now - this.#since;
    const marks = upToPauses(piece).map((said) => this.#speakingRate.expected(said));
    const nearest = marks.reduce((best, mark) =>
      Math.abs(mark - elapsed) < Math.abs(best - elapsed) ? mark : best,
    );
    if (nearest !== marks.at(-1)) {
      this.#since = now - nearest;
      return "goes on";
    }
    if (elapsed < EARLIEST * nearest) return "goes on";
    if (this.piece?.ends && this.#sentenceSince !== null)
      this.#speakingRate.learn(this.#sentence, now - this.#sentenceSince);
    if (this.isLast) return "over";
    this.next(now);
    return "next";
  }

  /** @param {number} now */
  next(now) {
    const ended = this.piece?.ends;
    this.#index += 1;
    this.#since = now;
    const words = this.piece?.text ?? "";
    this.#sentence = ended ? words : `${this.#sentence} ${words}`;
    if (ended) this.#sentenceSince = now;
  }

  get #expected() {
    return this.#speakingRate.expected(this.piece?.text ?? "");
  }
}
