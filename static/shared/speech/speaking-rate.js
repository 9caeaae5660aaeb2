const FIRST_PACE = 60;
const SLOWEST_PACE = 150;
const FASTEST_PACE = 35;
const TRUST = 0.4;

/** How long signs take to say, a letter of an alphabet being 1. @type {[RegExp, number][]} */
const WEIGHTS = [
  [/\p{Script=Han}/u, 3.2],
  [/\p{Script=Hangul}/u, 2.6],
  [/[\p{Script=Hiragana}\p{Script=Katakana}]/u, 2],
  [/[\p{Script=Arabic}\p{Script=Hebrew}]/u, 1.5], // vowels are said, and not written
  [/\p{N}/u, 4],
  [/\p{M}/u, 0.4],
  [/[.!?…。！？]/u, 3],
  [/[\p{L}\p{P}\s]/u, 1],
];

/** How fast the voice speaks: a guess at first, and better with every sentence that was heard. */
export class SpeakingRate {
  /** Milliseconds for a letter. */
  #pace = FIRST_PACE;

  /**
   * How many milliseconds a text should take to say.
   *
   * @param {string} text
   */
  expected(text) {
    return weight(text) * this.#pace;
  }

  /**
   * @param {string} text
   * @param {number} ms How long it took.
   */
  learn(text, ms) {
    const pace = Math.min(SLOWEST_PACE, Math.max(FASTEST_PACE, ms / Math.max(1, weight(text))));
    this.#pace += TRUST * (pace - this.#pace);
  }
}

/** @param {string} text */
function weight(text) {
  return [...text].reduce((sum, sign) => sum + (WEIGHTS.find(([kind]) => kind.test(sign))?.[1] ?? 0), 0);
}
