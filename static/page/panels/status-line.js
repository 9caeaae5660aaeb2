import { byId } from "../../shared/dom.js";

const PASSING_MS = 6000;

/** @type {Record<import("../../shared/session/session-controller.js").State, string>} A problem is named by its own title. */
const WORDS = { ready: "Ready", connecting: "Connecting", live: "Live", ended: "Ended", problem: "" };

/** The one line that says how things are, also to those who only hear the page. */
export class StatusLine {
  #element = byId("status");
  #words = WORDS.ready;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {import("../../shared/session/session-controller.js").State} state
   * @param {import("../../shared/broker/problems.js").Problem} [problem]
   */
  become(state, problem) {
    this.#words = WORDS[state] || (problem?.title ?? "");
    this.settle();
  }

  /**
   * Names a problem that leaves the state as it is, for a while.
   *
   * @param {import("../../shared/broker/problems.js").Problem} problem
   */
  pass({ title }) {
    clearTimeout(this.#timer);
    this.#element.textContent = title;
    this.#timer = setTimeout(() => this.settle(), PASSING_MS);
  }

  settle() {
    clearTimeout(this.#timer);
    this.#element.textContent = this.#words;
  }
}
