import { Countdown } from "./countdown.js";

/** Offers the session that a page before this one left. */
export class ResumePanel {
  #element;
  #start;
  #countdown;

  /**
   * @param {{offer: HTMLElement, offerClock: HTMLElement, resume: HTMLElement, decline: HTMLElement, start: HTMLElement}} elements
   * @param {{onResume: () => void, onEnd: () => void}} handlers
   */
  constructor({ offer, offerClock, resume, decline, start }, { onResume, onEnd }) {
    this.#element = offer;
    this.#start = start;
    this.#countdown = new Countdown(offerClock, { onLastMinute: () => {}, onZero: () => {} });
    resume.addEventListener("click", onResume);
    decline.addEventListener("click", onEnd);
  }

  /** @param {import("../../shared/broker/broker-api.js").OpenedSession} opened */
  show({ secondsLeft }) {
    this.#countdown.start(secondsLeft);
    this.#element.hidden = false;
    this.#start.classList.remove("primary"); // Of two ways to go on, one is the first.
  }

  hide() {
    this.#countdown.stop();
    this.#element.hidden = true;
    this.#start.classList.add("primary");
  }
}
