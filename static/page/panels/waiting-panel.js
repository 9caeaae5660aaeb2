import { estimateText, positionText } from "../../shared/broker/queue-position.js";
import { byId } from "../../shared/dom.js";

const NEW_PLACE = "Your turn had passed, so you have a new place.";
const CUT_OFF = "The connection was lost and is being tried again. Your place is kept for a while.";

/** Tells waiting visitors their place in line, and calls them when it is their turn. */
export class WaitingPanel {
  #title = document.title;
  #element = byId("waiting");
  #place = byId("place");
  #estimate = byId("estimate");

  /** @param {() => void} onLeave */
  constructor(onLeave) {
    byId("leave-line").addEventListener("click", onLeave);
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.calm();
    });
  }

  /** @param {import("../../shared/session/admission.js").WaitingStatus} wait */
  show({ place, again, cutOff }) {
    const called = place !== null && place.turnSecondsLeft !== null;
    const estimate = called ? "Your avatar is on its way." : estimateText(place?.estimatedSeconds ?? null);
    this.#element.hidden = false;
    this.#element.toggleAttribute("data-called", called);
    // Only the place is announced, and only when it changes: the estimate changes all the time.
    write(this.#place, called ? "It is your turn" : positionText(place?.position ?? null));
    write(this.#estimate, cutOff ? CUT_OFF : [again && !called && NEW_PLACE, estimate].filter(Boolean).join(" "));
    if (called && document.hidden) document.title = `Your turn - ${this.#title}`;
  }

  hide() {
    this.#element.hidden = true;
  }

  /** What it was your turn for is over, so nobody needs to be called any more. */
  calm() {
    document.title = this.#title;
  }
}

/**
 * @param {HTMLElement} element
 * @param {string} words
 */
function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}
