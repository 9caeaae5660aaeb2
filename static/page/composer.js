import { byId } from "./stage.js";

/** The box in which one writes what the avatar shall say. */
export class Composer {
  #text = /** @type {HTMLTextAreaElement} */ (byId("text"));
  #count = byId("count");
  #speak = /** @type {HTMLButtonElement} */ (byId("speak"));
  #maxLength;
  #enabled = false;

  /**
   * @param {number} maxLength In characters as the server counts them: code points.
   * @param {(text: string) => void} onSpeak
   */
  constructor(maxLength, onSpeak) {
    this.#maxLength = maxLength;
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(onSpeak);
    });
    this.#text.addEventListener("input", () => this.#update());
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
      event.preventDefault();
      this.#submit(onSpeak);
    });
    this.#update();
  }

  /** @param {boolean} enabled */
  enable(enabled) {
    this.#enabled = enabled;
    this.#update();
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

  /** @param {(text: string) => void} onSpeak */
  #submit(onSpeak) {
    if (!this.#sayable) return;
    const text = this.#text.value.trim();
    this.#text.value = "";
    this.#update();
    this.focus();
    onSpeak(text);
  }

  get #length() {
    return [...this.#text.value.trim()].length;
  }

  get #sayable() {
    return this.#enabled && this.#length > 0 && this.#length <= this.#maxLength;
  }

  #update() {
    const excess = this.#length - this.#maxLength;
    this.#count.textContent = excess > 0 ? `${excess} too many` : `${this.#length} / ${this.#maxLength}`;
    this.#count.toggleAttribute("data-excess", excess > 0);
    this.#speak.disabled = !this.#sayable;
  }
}
