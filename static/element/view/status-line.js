const PASSING_MS = 6000;

/** The one line that says how things are, also to those who only hear the page. */
export class StatusLine {
  #element;
  #words;
  /** How things are: a key of the words, or the title of a problem. */
  #standing = { key: "ready", title: "" };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {HTMLElement} element
   * @param {import("../words/words.js").Words} words
   */
  constructor(element, words) {
    this.#element = element;
    this.#words = words;
    words.keep(element, () => this.settle());
  }

  /**
   * @param {import("../../shared/session/session-controller.js").State} state
   * @param {string} [title] Of the problem, which names itself.
   */
  become(state, title = "") {
    this.#standing = { key: state, title };
    this.settle();
  }

  /**
   * Names a problem that leaves the state as it is, for a while.
   *
   * @param {string} title
   */
  pass(title) {
    clearTimeout(this.#timer);
    this.#element.textContent = title;
    this.#timer = setTimeout(() => this.settle(), PASSING_MS);
  }

  settle() {
    clearTimeout(this.#timer);
    const { key, title } = this.#standing;
    this.#element.textContent = title || this.#words.of(key);
  }
}
