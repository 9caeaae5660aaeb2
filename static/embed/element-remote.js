import { ParentLink } from "./parent-link.js";
import { toldOf } from "./port-calls.js";

/** The methods that the page around the frame may call: all are the element's own. */
const METHODS = /** @type {const} */ (["start", "speak", "speakAudio", "interrupt", "end", "leaveLine", "unmute"]);

/** The events that the page is told of; none can be cancelled, as an answer would come too late. */
const EVENTS = ["state", "waiting", "opened", "live", "utterance", "speaking", "timeleft", "soundblocked", "problem", "ended"];

/** @typedef {import("../../types/kaltura-avatar").KalturaAvatarElement} KalturaAvatarElement */

/** Lets the page around a frame use the element in it; no session's token is ever told. */
export class ElementRemote {
  #element;
  #link;

  /**
   * @param {KalturaAvatarElement} element
   * @param {ConstructorParameters<typeof ParentLink>[0]} window
   * @param {string[]} ancestors The origins whose pages may.
   */
  constructor(element, window, ancestors) {
    this.#element = element;
    const methods = METHODS.map((name) => [name, (/** @type {any[]} */ ...given) => this.#use(name, given)]);
    const speakParts = (/** @type {unknown} */ stream, /** @type {{turnId?: string}} */ options) =>
      element.speak(this.#partsOf(stream), options);
    const functions = { ...Object.fromEntries(methods), speakParts };
    this.#link = new ParentLink(window, ancestors, functions, () => this.#link.tell("update", this.#facts));
    for (const name of EVENTS)
      element.addEventListener(`avatar-${name}`, (event) => this.#tell(name, /** @type {CustomEvent} */ (event).detail));
  }

  /** @param {{reason: string}} asked */
  askAuthToken(asked) {
    return this.#link.call("getAuthToken", asked);
  }

  /**
   * @param {typeof METHODS[number]} name
   * @param {any[]} given
   */
  #use(name, given) {
    return /** @type {Function} */ (this.#element[name]).apply(this.#element, given);
  }

  /**
   * A text that is still being written: each part is asked for when those before it are said.
   *
   * @param {unknown} stream
   * @returns {AsyncGenerator<string>}
   */
  async *#partsOf(stream) {
    for (;;) {
      const { done, value } = await this.#link.call("nextPart", stream);
      if (done) return;
      yield value;
    }
  }

  get #facts() {
    const { state, sessionId, secondsLeft, place, problem, utterances } = this.#element;
    return { state, sessionId, secondsLeft, place, problem: toldOf(problem), utterances };
  }

  /**
   * @param {string} name
   * @param {any} detail
   */
  #tell(name, detail) {
    this.#link.tell("update", this.#facts);
    this.#link.tell("dispatch", name, name === "problem" ? { problem: toldOf(detail.problem) } : detail);
  }
}
