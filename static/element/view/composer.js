/** How many characters a text may have before the broker has told. */
const MOST = 1000;

/**
 * @typedef {{
 *   composer: HTMLElement,
 *   text: HTMLTextAreaElement,
 *   count: HTMLElement,
 *   speak: HTMLButtonElement,
 *   pending: HTMLElement,
 *   example: HTMLElement,
 * }} ComposerElements
 */

/**
 * The box in which one writes what the avatar shall say; what is not sent outlives a reload.
 *
 * A text that is sent while there is no session stays until there is one, and is pending unless it
 * is changed meanwhile.
 */
export class Composer {
  #text;
  #count;
  #speak;
  #example;
  #note;
  #words;
  #storage;
  #examples = 0;
  #maxLength = MOST;
  #isLive = false;
  #isPending = false;
  #handlers;

  /**
   * @param {ComposerElements} elements
   * @param {import("../words/words.js").Words} words
   * @param {import("../../shared/tab-storage.js").TabStorage} storage
   * @param {{onSpeak: (text: string) => void, onPending: () => void}} handlers `onPending`: a text
   *   needs a session.
   * @param {() => string[]} examples
   */
  constructor({ composer, text, count, speak, pending, example }, words, storage, handlers, examples) {
    this.#text = text;
    this.#count = count;
    this.#speak = speak;
    this.#note = pending;
    this.#example = example;
    this.#words = words;
    this.#storage = storage;
    this.#handlers = handlers;
    composer.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("input", () => this.#withdrawPending());
    example.addEventListener("click", () => this.#propose(examples()));
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.restore(storage.draft);
    words.keep(this, () => this.#update());
  }

  /** @param {number} maxLength In characters as the server counts them: code points. */
  limit(maxLength) {
    this.#maxLength = maxLength;
    this.#update();
  }

  /** @param {import("../../shared/session/session-controller.js").State} state */
  become(state) {
    this.#isLive = state === "live";
    const isPending = this.#isPending;
    this.#isPending &&= state === "connecting";
    this.#update();
    if (this.#isLive && isPending) this.#submit();
  }

  /** Without scrolling, and not on a touch screen, where a keyboard would cover the stage. */
  focus() {
    if (matchMedia("(hover: hover)").matches) this.#text.focus({ preventScroll: true });
  }

  /**
   * Gives a text back that could not be said, unless another was begun meanwhile.
   *
   * @param {string} text
   */
  restore(text) {
    if (this.#text.value === "") this.#text.value = text;
    this.#update();
  }

  /**
   * Takes a text back that was given back, since it is said after all.
   *
   * @param {string} text
   */
  withdraw(text) {
    if (this.#text.value === text) this.#text.value = "";
    this.#update();
  }

  /** @param {string[]} examples */
  #propose(examples) {
    this.#text.value = examples[this.#examples++ % examples.length] ?? "";
    this.#update();
    (this.#sayable ? this.#speak : this.#text).focus();
  }

  #submit() {
    if (!this.#sayable) return;
    const text = this.#text.value.trim();
    if (this.#isLive) this.#text.value = "";
    else this.#isPending = true;
    this.#update();
    this.focus();
    if (this.#isLive) this.#handlers.onSpeak(text);
    else this.#handlers.onPending();
  }

  #withdrawPending() {
    this.#isPending = false;
    this.#update();
  }

  get #length() {
    return [...this.#text.value.trim()].length;
  }

  get #sayable() {
    return !this.#isPending && this.#length > 0 && this.#length <= this.#maxLength;
  }

  #update() {
    const [length, most] = [this.#length, this.#maxLength];
    const excess = length - most;
    this.#count.textContent =
      excess > 0 ? this.#words.of("excess", { n: excess }) : this.#words.of("count", { n: length, most });
    this.#count.toggleAttribute("data-excess", excess > 0);
    this.#speak.disabled = !this.#sayable;
    this.#speak.classList.toggle("primary", this.#isLive); // Before that, Start is the first way.
    this.#note.textContent = this.#isPending ? this.#words.of("pending") : "";
    this.#example.toggleAttribute("data-away", this.#length > 0);
    this.#storage.draft = this.#text.value;
  }
}
