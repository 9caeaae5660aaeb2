import { Emitter } from "../shared/emitter.js";

/**
 * @typedef {"ready" | "waiting" | "connecting" | "live" | "speaking" | "ended" | "problem"} AvatarState
 * @typedef {import("../shared/session/session-controller.js").SessionController} SessionController
 * @typedef {import("../shared/speech/speech-tracker.js").Line} Line
 * @typedef {import("../shared/broker/problems.js").Problem} Problem
 * @typedef {{turnId: string, text: string, state: import("../shared/speech/line-state.js").LineState, problem: string | null}} AvatarUtterance
 * @typedef {{name: string, detail: object}} Told An event, without the prefix of its name.
 */

const MOST_UTTERANCES = 200;

/**
 * What a page can know of the session of its element, and the events that tell of it.
 *
 * @extends {Emitter<{state: AvatarState, told: Told}>}
 */
export class SessionFacts extends Emitter {
  /** @type {AvatarState} */
  state = "ready";
  /** @type {string | null} */
  sessionId = null;
  /** @type {import("../../types/broker-api").PlaceInLine | null} */
  place = null;
  /** @type {Problem | null} */
  problem = null;
  /** When the session ends, in milliseconds of `performance.now`. @type {number | null} */
  #deadline = null;
  /** @type {SessionController | null} */
  #followed = null;
  /** @type {Map<string, AvatarUtterance>} */
  #utterances = new Map();

  /**
   * Tells of another session from now on.
   *
   * @param {SessionController} session
   * @param {import("./presenter.js").Presenter} presenter
   */
  follow(session, presenter) {
    this.reset();
    this.#followed = session;
    /**
     * What an earlier session still tells is of no interest any more.
     *
     * @template Payload
     * @param {(payload: Payload) => void} handler
     * @returns {(payload: Payload) => void}
     */
    const ofThis = (handler) => (payload) => {
      if (this.#followed === session) handler(payload);
    };
    presenter.on("state", ofThis(({ state, problem }) => this.#become(state, problem)));
    presenter.on("line", ofThis((line) => this.#hear(line)));
    presenter.on("problem", ofThis((problem) => this.#meet(problem)));
    presenter.on("soundBlocked", ofThis(() => this.#tell("soundblocked", {})));
    session.on("waiting", ofThis((wait) => this.#wait(wait)));
    session.on("opened", ofThis((opened) => this.#open(opened)));
    session.on("timeLeft", ofThis((secondsLeft) => this.#countDown(secondsLeft)));
    session.on("speaking", ofThis((speaking) => this.#speak(speaking)));
  }

  /** @returns {number | null} Null without a session. */
  get secondsLeft() {
    return this.#deadline === null ? null : Math.max(0, Math.round((this.#deadline - performance.now()) / 1000));
  }

  /** What was asked to be said in this session, oldest first. */
  get utterances() {
    return [...this.#utterances.values()];
  }

  get isOpen() {
    return !["ready", "ended", "problem"].includes(this.state);
  }

  /** There is no session any more, nor any that is followed. */
  reset() {
    this.#followed = null;
    this.sessionId = null;
    this.place = null;
    this.problem = null;
    this.#deadline = null;
    this.#utterances.clear();
    this.#enter("ready");
  }

  /**
   * @param {import("../shared/session/session-controller.js").State} state
   * @param {Problem} [problem]
   */
  #become(state, problem) {
    this.problem = problem ?? null;
    this.place = null;
    if (state === "ended" || state === "problem") this.#deadline = null;
    this.#enter(state);
    if (state === "live") this.#tell("live", { sessionId: this.sessionId });
    if (state === "ended") this.#tell("ended", { sessionId: this.sessionId, reason: problem?.endReason ?? null });
  }

  /** @param {Line} line */
  #hear({ turnId, text, state, cause }) {
    /** @type {AvatarUtterance} */
    const utterance = { turnId, text, state, problem: cause ?? null };
    const known = this.#utterances.get(turnId)?.state;
    this.#utterances.set(turnId, utterance);
    for (const [oldest] of this.#utterances) if (this.#utterances.size > MOST_UTTERANCES) this.#utterances.delete(oldest);
    if (known !== state) this.#tell("utterance", utterance);
  }

  /** @param {Problem} problem */
  #meet(problem) {
    this.problem = problem;
    this.#tell("problem", { problem });
  }

  /** @param {import("../shared/session/admission.js").WaitingStatus} wait */
  #wait({ place, again, cutOff }) {
    this.place = place;
    this.#enter("waiting");
    this.#tell("waiting", { place, again, cutOff });
  }

  /** @param {import("../shared/broker/broker-api.js").OpenedSession} opened */
  #open({ sessionId, secondsLeft }) {
    if (sessionId !== this.sessionId) this.#utterances.clear();
    this.sessionId = sessionId;
    this.place = null;
    this.#deadline = performance.now() + secondsLeft * 1000;
    this.#enter("connecting");
    this.#tell("opened", { sessionId, secondsLeft });
  }

  /** @param {number} secondsLeft */
  #countDown(secondsLeft) {
    this.#deadline = performance.now() + secondsLeft * 1000;
    this.#tell("timeleft", { secondsLeft });
  }

  /** @param {boolean} speaking */
  #speak(speaking) {
    if (this.state === "live" || this.state === "speaking") this.#enter(speaking ? "speaking" : "live");
    this.#tell("speaking", { speaking });
  }

  /** @param {AvatarState} state */
  #enter(state) {
    if (state === this.state) return;
    this.state = state;
    this.emit("state", state);
    this.#tell("state", { state });
  }

  /**
   * @param {string} name
   * @param {object} detail
   */
  #tell(name, detail) {
    this.emit("told", { name, detail });
  }
}
