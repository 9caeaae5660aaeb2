import { Problem } from "../../shared/broker/problems.js";
import { formatDuration } from "../../shared/duration.js";
import { randomId } from "../../shared/random-id.js";
import { sleep } from "../../shared/sleep.js";
import { lineStateOf, isUnclear } from "./line-state.js";
import { findOutcome } from "./outcome-lookup.js";
import { lineFromUtterance } from "./utterance-lines.js";

/** A voice that is heard so long after Stop was not stopped. */
const UNEXPLAINED_MS = 1200;

/** So long after the broker takes a line for said, its voice may still come. */
const LATE_MS = 6000;

/** A line of which nobody knows was not said if no voice came for so long. */
const UNHEARD_MS = 20_000;

const MOST_KNOWN = 200;

/**
 * @typedef {import("../../shared/broker/event-stream.js").Utterance} Utterance
 * @typedef {import("./speech-tracker.js").Line} Line
 * @typedef {import("../tab-storage.js").SavedSpeech} SavedSpeech
 * @typedef {Pick<import("../../shared/session/session-controller.js").SessionController, "state" | "speak" | "speakAudio" | "utterances" | "interrupt" | "heard">} Session
 * @typedef {{
 *   added: (line: Line) => void,
 *   accepted: () => void,
 *   trouble: (problem: Problem, line: Line) => void,
 *   returned: (text: string) => void,
 * }} ConversationHandlers `returned`: a text was surely not said.
 */

/** Everything that is said in one session: sent, told of by the broker, and heard. */
export class Conversation {
  #session;
  #speech;
  #told;
  /** @type {Map<string, Line>} By turn, oldest first. */
  #lines = new Map();
  #sessionId = "";
  #skew = 0;
  /** @type {SavedSpeech | null} */
  #kept = null;

  /**
   * @param {Session} session
   * @param {import("./speech-tracker.js").SpeechTracker} speech
   * @param {ConversationHandlers} told
   */
  constructor(session, speech, told) {
    this.#session = session;
    this.#speech = speech;
    this.#told = told;
  }

  /**
   * A session is there; one that goes on after a reload has lines already.
   *
   * @param {{sessionId: string, answeredAt: number}} opened By the broker's clock.
   * @param {SavedSpeech | null} kept
   */
  begin({ sessionId, answeredAt }, kept) {
    if (this.#sessionId !== sessionId) this.#lines.clear();
    this.#sessionId = sessionId;
    this.#skew = performance.now() - answeredAt;
    this.#kept = kept?.sessionId === sessionId ? kept : null;
    if (this.#kept) void this.#catchUp(this.#kept);
  }

  /** The session is over, and so is all that waits. */
  end() {
    this.#speech.stopped();
    this.#lines.clear();
  }

  /** Whether it is known of every line that it will be said, or was, or not. */
  get isClear() {
    return [...this.#lines.values()].every(({ state }) => state !== "unclear");
  }

  /**
   * What the next page needs to go on.
   *
   * @returns {SavedSpeech}
   */
  keep() {
    const unanswered = [...this.#lines.values()].filter(
      ({ state, seconds }) => ["sending", "unclear"].includes(state) && seconds === undefined,
    );
    const now = this.#speech.now;
    return {
      sessionId: this.#sessionId,
      unanswered: unanswered.map(({ turnId, text }) => ({ turnId, text })),
      heard: now && { turnId: now.line.turnId, elapsed: now.elapsed },
    };
  }

  /**
   * @param {string} text
   * @returns {Promise<import("./line-state.js").LineState>} As of the answer.
   */
  async speak(text) {
    const state = await this.#say({ text }, (turnId) => this.#session.speak(text, turnId));
    if (state === "failed") this.#told.returned(text);
    return state;
  }

  /**
   * @param {import("./microphone.js").Take} take
   * @returns {Promise<import("./line-state.js").LineState>} As of the answer.
   */
  async speakAudio({ blob, seconds }) {
    const about = { text: `Recording, ${formatDuration(seconds)}`, seconds };
    return this.#say(about, (turnId) => this.#session.speakAudio(blob, turnId));
  }

  /** Stops what was sent so far, and nothing that is sent later; rejects with a `Problem`. */
  async interrupt() {
    const sent = this.#speech.unsaid;
    const last = [...this.#lines.keys()].pop();
    await this.#session.interrupt();
    this.#speech.stopped(sent);
    setTimeout(() => {
      if (this.#speech.isUnexplained) void this.#session.heard(last, "started");
    }, UNEXPLAINED_MS);
  }

  /** @param {Utterance} utterance */
  hearOf(utterance) {
    const line = this.#lines.get(utterance.turnId);
    if (line) this.#settle(line, utterance);
    else this.#meet(utterance);
  }

  /**
   * @param {{text: string, seconds?: number}} about
   * @param {(turnId: string) => Promise<import("../../shared/broker/broker-api.js").Spoken>} call
   */
  async #say(about, call) {
    /** @type {Line} */
    const line = { turnId: randomId(), state: "sending", reason: "", ...about };
    this.#add(line);
    this.#speech.sent(line);
    try {
      const { state } = await call(line.turnId);
      if (state === "interrupted") this.#speech.dropped(line, "stopped");
      else this.#speech.told(line, state === "queued" ? "queued" : "accepted");
      if (this.#isLive) this.#told.accepted();
    } catch (error) {
      this.#fail(line, Problem.fromFailure(error));
    }
    // The session may have ended while the answer was on its way.
    if (!this.#isLive) this.#speech.stopped();
    return line.state;
  }

  /**
   * @param {Line} line
   * @param {Problem} problem
   */
  #fail(line, problem) {
    if (isUnclear(problem.name) && this.#isLive) {
      this.#speech.told(line, "unclear");
      void this.#resolve(line);
    } else {
      line.reason = problem.title;
      this.#speech.refused(line);
    }
    this.#told.trouble(problem, line);
  }

  /** @param {Line} line */
  async #resolve(line) {
    const isUnclear = () => line.state === "unclear" && this.#isLive;
    const utterances = () => this.#session.utterances();
    const found = await findOutcome(line.turnId, { utterances, isUnclear, sleep });
    if (found === "missing") this.#giveBack(line, "it did not arrive");
    else if (found) {
      this.#settle(line, found);
      this.#listenFor(line);
    }
  }

  /**
   * @param {Line} line
   * @param {Utterance} utterance
   */
  #settle(line, { state, reason, ...rest }) {
    const found = lineStateOf({ state, reason });
    if (found === "said") setTimeout(() => this.#speech.dropped(line, "said"), LATE_MS);
    else if (found === "failed") this.#giveBack(line, new Problem(reason ?? "").title);
    else if (found === "stopped") {
      if (reason) line.reason = new Problem(reason).title;
      this.#speech.dropped(line, "stopped");
    }
    if (found === "said" || found === "accepted") this.#speech.told(line, "accepted");
    if (found === "queued" || found === "unclear") this.#speech.told(line, found);
  }

  /**
   * @param {Line} line
   * @param {string} reason
   * @returns {boolean} Whether it waited; one that is heard goes on.
   */
  #drop(line, reason) {
    if (!this.#speech.unsaid.includes(line) || line === this.#speech.now?.line) return false;
    line.reason = reason;
    this.#speech.dropped(line, "failed");
    return true;
  }

  // It was surely not said, so whoever wrote it gets it back.
  /**
   * @param {Line} line
   * @param {string} reason
   */
  #giveBack(line, reason) {
    if (this.#drop(line, reason) && line.seconds === undefined) this.#told.returned(line.text);
  }

  // Nobody can tell but the voice: what is not heard when its turn has long come was not said.
  /** @param {Line} line */
  #listenFor(line) {
    setTimeout(() => {
      if (line.state !== "unclear") return;
      if (this.#speech.unsaid[0] === line) this.#drop(line, "nothing was heard");
      else this.#listenFor(line);
    }, UNHEARD_MS);
  }

  /** @param {Utterance} utterance */
  #meet(utterance) {
    const line = lineFromUtterance(utterance, this.#skew, this.#kept?.heard ?? null);
    this.#add(line);
    if (line.state === "accepted" || line.state === "queued") this.#speech.sent(line);
  }

  /** @param {SavedSpeech} kept */
  async #catchUp(kept) {
    try {
      for (const utterance of await this.#session.utterances()) this.hearOf(utterance);
    } catch {
      return; // The events tell it too, and nobody knows of what was not answered.
    }
    for (const { turnId, text } of kept.unanswered) {
      if (this.#lines.has(turnId)) continue;
      this.#add({ turnId, text, state: "failed", reason: "it did not arrive" });
      this.#told.returned(text);
    }
  }

  /** @param {Line} line */
  #add(line) {
    this.#lines.set(line.turnId, line);
    for (const [turnId] of this.#lines) if (this.#lines.size > MOST_KNOWN) this.#lines.delete(turnId);
    this.#told.added(line);
  }

  get #isLive() {
    return this.#session.state === "live";
  }
}
