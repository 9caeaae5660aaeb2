/** @typedef {import("../../shared/speech/speech-tracker.js").Line} Line */

/** What a transcript says of its lines. */
export class LineWords {
  #words;
  #problemWords;

  /**
   * @param {import("./words.js").Words} words
   * @param {Pick<import("../presenter.js").ProblemWords, "reasonOf">} problemWords Why a line failed or was
   *   stopped; "" when nobody knows.
   */
  constructor(words, problemWords) {
    this.#words = words;
    this.#problemWords = problemWords;
  }

  get voice() {
    return this.#words.of("disclosure");
  }

  get retry() {
    return this.#words.of("tryAgain");
  }

  /** @param {Line} line */
  state({ state }) {
    return this.#words.of(`line${state.charAt(0).toUpperCase()}${state.slice(1)}`);
  }

  /** @param {Line} line */
  fate(line) {
    return [this.state(line), this.#problemWords.reasonOf(line)].filter(Boolean).join(" · ");
  }
}
