import { formatDuration } from "../../shared/duration.js";

const TICK_MS = 500;
const LAST_MINUTE = 60;

/** Counts a session's time down, quietly, and tells of its last minute and its end. */
export class Countdown {
  #element;
  #time;
  #onLastMinute;
  #onZero;
  #deadline = 0;
  #warned = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /**
   * @param {HTMLElement} element With a `<time>` inside.
   * @param {{onLastMinute: (seconds: number | null) => void, onZero: () => void}} handlers
   *   `onLastMinute` is told null when it is not the last one after all.
   */
  constructor(element, { onLastMinute, onZero }) {
    this.#element = element;
    this.#time = /** @type {HTMLTimeElement} */ (element.querySelector("time"));
    this.#onLastMinute = onLastMinute;
    this.#onZero = onZero;
  }

  /** @param {number} seconds */
  start(seconds) {
    this.#warned = false;
    this.set(seconds);
  }

  /**
   * Corrects the time left; a computer that slept counted wrong.
   *
   * @param {number} seconds
   */
  set(seconds) {
    if (this.#warned && seconds > LAST_MINUTE) {
      this.#warned = false;
      this.#onLastMinute(null);
    }
    this.#deadline = performance.now() + seconds * 1000;
    this.#draw(seconds);
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Tells of the last minute once more: what was told before is not on show any more. */
  remind() {
    this.#warned = false;
  }

  stop() {
    clearInterval(this.#timer);
    this.#element.hidden = true;
  }

  #tick() {
    const seconds = Math.max(0, (this.#deadline - performance.now()) / 1000);
    this.#draw(seconds);
    if (seconds <= LAST_MINUTE && !this.#warned) {
      this.#warned = true;
      this.#onLastMinute(seconds);
    }
    if (seconds > 0) return;
    clearInterval(this.#timer);
    this.#onZero();
  }

  /** @param {number} seconds */
  #draw(seconds) {
    const whole = Math.ceil(seconds);
    this.#element.hidden = false;
    this.#element.toggleAttribute("data-last-minute", whole <= LAST_MINUTE);
    this.#time.dateTime = `PT${whole}S`;
    this.#time.textContent = formatDuration(whole);
  }
}
