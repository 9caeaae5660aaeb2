import { byId } from "../../shared/dom.js";
import { Countdown } from "./countdown.js";

/** Offers the session that a page before this one left. */
export class ResumePanel {
  #element = byId("offer");
  #start = byId("start");
  #countdown = new Countdown(byId("offer-clock"), { onLastMinute: () => {}, onZero: () => {} });

  /** @param {{onResume: () => void, onEnd: () => void}} handlers */
  constructor({ onResume, onEnd }) {
    byId("resume").addEventListener("click", onResume);
    byId("decline").addEventListener("click", onEnd);
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
