/** @typedef {import("../../shared/speech/speech-tracker.js").Line} Line */

/** What a transcript says of its lines. */
export class LineWords {
  #words;
  #reasonOf;

  /**
   * @param {import("./words.js").Words} words
   * @param {(line: Line) => string} reasonOf Why a line failed or was stopped; "" when nobody knows.
   */
  constructor(words, reasonOf) {
    this.#words = words;
    this.#reasonOf = reasonOf;
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
    return [this.state(line), this.#reasonOf(line)].filter(Boolean).join(" · ");
  }
}
