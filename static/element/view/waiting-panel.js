/** A wait that is over in so many seconds is but a moment. */
const MOMENT_SECONDS = 20;

/** Tells waiting visitors their place in line, and calls them when it is their turn. */
export class WaitingPanel {
  #element;
  #place;
  #estimate;
  #words;
  /** What the page was called before its visitor was called. @type {string | null} */
  #title = null;

  /**
   * @param {{waiting: HTMLElement, place: HTMLElement, estimate: HTMLElement, leaveLine: HTMLElement}} elements
   * @param {import("../words/words.js").Words} words
   * @param {() => void} onLeave
   */
  constructor({ waiting, place, estimate, leaveLine }, words, onLeave) {
    this.#element = waiting;
    this.#place = place;
    this.#estimate = estimate;
    this.#words = words;
    leaveLine.addEventListener("click", onLeave);
  }

  /** @param {import("../../shared/session/admission.js").WaitingStatus} wait */
  show({ place, again, cutOff }) {
    const called = place !== null && place.turnSecondsLeft !== null;
    const words = this.#words;
    const estimate = called ? words.of("onItsWay") : this.#estimateText(place?.estimatedSeconds ?? null);
    this.#element.hidden = false;
    this.#element.toggleAttribute("data-called", called);
    // Only the place is announced, and only when it changes: the estimate changes all the time.
    write(this.#place, called ? words.of("turn") : this.#placeText(place?.position ?? null));
    write(this.#estimate, cutOff ? words.of("cutOff") : [again && !called && words.of("newPlace"), estimate].filter(Boolean).join(" "));
    if (called && document.hidden) this.#call();
  }

  hide() {
    this.#element.hidden = true;
  }

  /** What it was your turn for is over, so nobody needs to be called any more. */
  calm() {
    if (this.#title !== null) document.title = this.#title;
    this.#title = null;
  }

  #call() {
    this.#title ??= document.title;
    document.title = [this.#words.of("turnTitle"), this.#title].filter(Boolean).join(" - ");
  }

  /** @param {number | null} position 1 is next; null is not known yet. */
  #placeText(position) {
    if (position === null) return this.#words.of("inLine");
    return position === 1 ? this.#words.of("next") : this.#words.of("place", { n: position });
  }

  /** @param {number | null} seconds null is not known. */
  #estimateText(seconds) {
    if (seconds === null) return "";
    if (seconds <= MOMENT_SECONDS) return this.#words.of("moment");
    return this.#words.of("estimate", { duration: this.#words.duration(seconds) });
  }
}

/**
 * @param {HTMLElement} element
 * @param {string} words
 */
function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}
