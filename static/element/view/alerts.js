/**
 * Why something is to be told: the session's state, the connection to the broker, the picture, a
 * text of which it is unclear whether it arrived, a call that failed, the time that is left. The first of them that stands is shown.
 *
 * @typedef {"state" | "connection" | "picture" | "unclear" | "call" | "time"} Cause
 */

/** @type {Cause[]} */
const ORDER = ["state", "connection", "picture", "unclear", "call", "time"];

/**
 * What is wrong just now, each cause by itself, so that no alert outlives its cause or hides another.
 *
 * @template Content
 */
export class Alerts {
  /** @type {Map<Cause, Content>} */
  #standing = new Map();
  /** @type {Content | undefined} */
  #shown;
  #onChange;

  /** @param {(content: Content | undefined) => void} onChange Told what to show from now on. */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /**
   * @param {Cause} cause
   * @param {Content} content
   * @param {number} [seconds] After which it is over by itself.
   */
  raise(cause, content, seconds) {
    this.#standing.set(cause, content);
    this.#show();
    if (seconds === undefined) return;
    setTimeout(() => {
      if (this.#standing.get(cause) === content) this.end(cause);
    }, seconds * 1000);
  }

  /** @param {Cause[]} causes Those that are over; all of them when none is named. */
  end(...causes) {
    for (const cause of causes.length > 0 ? causes : ORDER) this.#standing.delete(cause);
    this.#show();
  }

  #show() {
    const cause = ORDER.find((each) => this.#standing.has(each));
    const content = cause && this.#standing.get(cause);
    if (content === this.#shown) return;
    this.#shown = content;
    this.#onChange(content);
  }
}
