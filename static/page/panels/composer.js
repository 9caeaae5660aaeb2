import { byId } from "../../shared/dom.js";
import { saveDraft, loadDraft } from "../tab-storage.js";

const EXAMPLES = [
  "Hello! It is good to see you. What shall we talk about today?",
  "Once upon a time, in a town by the sea, there lived a clockmaker who was always late.",
  "Did you know? Honey does not spoil. What was found in old tombs can still be eaten.",
];

/** The box in which one writes what the avatar shall say; what is not sent outlives a reload. */
export class Composer {
  #text = /** @type {HTMLTextAreaElement} */ (byId("text"));
  #count = byId("count");
  #speak = /** @type {HTMLButtonElement} */ (byId("speak"));
  #example = byId("example");
  #examples = 0;
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
    this.#example.addEventListener("click", () => this.#propose());
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
      event.preventDefault();
      this.#submit(onSpeak);
    });
    this.restore(loadDraft());
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

  /**
   * Takes a text back that was given back, since it is said after all.
   *
   * @param {string} text
   */
  withdraw(text) {
    if (this.#text.value === text) this.#text.value = "";
    this.#update();
  }

  #propose() {
    this.#text.value = EXAMPLES[this.#examples++ % EXAMPLES.length] ?? "";
    this.#update();
    (this.#sayable ? this.#speak : this.#text).focus();
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
    this.#example.toggleAttribute("data-away", this.#length > 0);
    saveDraft(this.#text.value);
  }
}
