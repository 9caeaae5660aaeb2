import { Clock } from "./clock.js";
import { byId } from "./stage.js";

/** Offers the session that a page before this one left. */
export class ResumePanel {
  #element = byId("offer");
  #start = byId("start");
  #clock = new Clock(byId("offer-clock"), { onLastMinute: () => {}, onZero: () => {} });

  /** @param {{onResume: () => void, onEnd: () => void}} handlers */
  constructor({ onResume, onEnd }) {
    byId("resume").addEventListener("click", onResume);
    byId("decline").addEventListener("click", onEnd);
  }

  /** @param {import("./api.js").Opened} opened */
  show({ secondsLeft }) {
    this.#clock.start(secondsLeft);
    this.#element.hidden = false;
    this.#start.classList.remove("primary"); // Of two ways to go on, one is the first.
  }

  hide() {
    this.#clock.stop();
    this.#element.hidden = true;
    this.#start.classList.add("primary");
  }
}
