import { byId } from "../../shared/dom.js";
import { saveDraft, loadDraft } from "../tab-storage.js";

const EXAMPLES = [
  "Hello! It is good to see you. What shall we talk about today?",
  "Once upon a time, in a town by the sea, there lived a clockmaker who was always late.",
  "Did you know? Honey does not spoil. What was found in old tombs can still be eaten.",
];

const PENDING = "It is said once the avatar is here.";

/**
 * The box in which one writes what the avatar shall say; what is not sent outlives a reload.
 *
 * A text that is sent while there is no session stays until there is one, and is pending unless it
 * is changed meanwhile.
 */
export class Composer {
  #text = /** @type {HTMLTextAreaElement} */ (byId("text"));
  #count = byId("count");
  #speak = /** @type {HTMLButtonElement} */ (byId("speak"));
  #example = byId("example");
  #note = byId("pending");
  #examples = 0;
  #maxLength;
  #isLive = false;
  #isPending = false;
  #handlers;

  /**
   * @param {number} maxLength In characters as the server counts them: code points.
   * @param {{onSpeak: (text: string) => void, onPending: () => void}} handlers `onPending`: a text
   *   needs a session.
   */
  constructor(maxLength, handlers) {
    this.#maxLength = maxLength;
    this.#handlers = handlers;
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("input", () => this.#withdrawPending());
    this.#example.addEventListener("click", () => this.#propose());
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.restore(loadDraft());
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

  #propose() {
    this.#text.value = EXAMPLES[this.#examples++ % EXAMPLES.length] ?? "";
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
    const excess = this.#length - this.#maxLength;
    this.#count.textContent = excess > 0 ? `${excess} too many` : `${this.#length} / ${this.#maxLength}`;
    this.#count.toggleAttribute("data-excess", excess > 0);
    this.#speak.disabled = !this.#sayable;
    this.#speak.classList.toggle("primary", this.#isLive); // Before that, Start is the first way.
    this.#note.textContent = this.#isPending ? PENDING : "";
    this.#example.toggleAttribute("data-away", this.#length > 0);
    saveDraft(this.#text.value);
  }
}
