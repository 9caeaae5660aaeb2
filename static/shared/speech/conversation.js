import { Problem } from "../broker/problems.js";
import { randomId } from "../random-id.js";
import { sleep } from "../sleep.js";
import { lineStateOf, isUnclear } from "./line-state.js";
import { findOutcome } from "./outcome-lookup.js";
import { lineFromUtterance } from "./utterance-lines.js";

/** A voice that is still heard so long after Stop has not been stopped. */
const UNEXPLAINED_MS = 1200;

/** How long a voice may still come after the broker takes a line for said. */
const LATE_MS = 6000;

/** The reasons that the page itself finds for a line: the cause, and words in English. */
const NOT_ARRIVED = { cause: "not-arrived", reason: "it did not arrive" };
const NOT_HEARD = { cause: "not-heard", reason: "nothing was heard" };

/** A line with unknown outcome counts as not said after so long without a voice. */
const UNHEARD_MS = 20_000;

const MOST_KNOWN = 200;

/**
 * @typedef {import("../broker/event-stream.js").Utterance} Utterance
 * @typedef {import("./speech-tracker.js").Line} Line
 * @typedef {import("../tab-storage.js").SavedSpeech} SavedSpeech
 * @typedef {import("../broker/broker-api.js").Spoken} Spoken
 * @typedef {{cause: string, reason: string}} Reason
 * @typedef {{line: Line, answer?: Spoken, problem?: Problem}} Said The outcome of a call.
 * @typedef {Pick<import("../session/session-controller.js").SessionController, "state" | "speak" | "speakAudio" | "utterances" | "interrupt" | "heard">} Session
 * @typedef {{
 *   added: (line: Line) => void,
 *   accepted: () => void,
 *   trouble: (problem: Problem, line: Line) => void,
 *   returned: (text: string) => void,
 * }} ConversationHandlers `returned`: a text was surely not said.
 * @typedef {(seconds?: number) => string} RecordingName What a recording is called, whose words are not known.
 */

/** Everything that is said in one session: sent, told of by the broker, and heard. */
export class Conversation {
  #session;
  #speech;
  #told;
  #recordingName;
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
   * @param {RecordingName} [recordingName]
   */
  constructor(session, speech, told, recordingName = () => "Recording") {
    this.#session = session;
    this.#speech = speech;
    this.#told = told;
    this.#recordingName = recordingName;
  }

  /**
   * Begins with a session; one that goes on after a reload has lines already.
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

  /** Ends with the session, and drops the lines that wait. */
  end() {
    this.#speech.stopped();
    this.#lines.clear();
  }

  /** Whether it is known of every line that it will be said, or was, or not. */
  get isClear() {
    return [...this.#lines.values()].every(({ state }) => state !== "unclear");
  }

  /**
   * The state that the next page needs to go on.
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
    const { line } = await this.#say({ text }, (turnId) => this.#session.speak(text, turnId));
    if (line.state === "failed") this.#told.returned(text);
    return line.state;
  }

  /**
   * Says a text for a program, which is told what became of the call instead of a visitor.
   *
   * @param {string} text
   * @param {string} [turnId]
   * @returns {Promise<Spoken>} Rejects with a `Problem`.
   */
  async send(text, turnId = randomId()) {
    const said = await this.#say({ text, turnId }, (turnId) => this.#session.speak(text, turnId));
    return answerOf(said);
  }

  /**
   * Says a recording for a program, which is told the outcome of the call.
   *
   * @param {import("./microphone.js").Take} take
   * @returns {Promise<Spoken>} Rejects with a `Problem`.
   */
  async sendAudio({ blob, seconds }) {
    const about = { text: this.#recordingName(seconds), seconds };
    return answerOf(await this.#say(about, (turnId) => this.#session.speakAudio(blob, turnId)));
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
    if (line) {
      this.#speech.grown(line, utterance.text);
      this.#settle(line, utterance);
    } else if (utterance.text || utterance.state !== "queued") this.#meet(utterance); // else it has no words yet
  }

  /**
   * @param {{text: string, turnId?: string, seconds?: number}} about
   * @param {(turnId: string) => Promise<Spoken>} call
   * @returns {Promise<Said>}
   */
  async #say(about, call) {
    /** @type {Line} */
    const line = { turnId: randomId(), state: "sending", reason: "", ...about };
    this.#add(line);
    this.#speech.sent(line);
    /** @type {Said} */
    const said = { line };
    try {
      said.answer = await call(line.turnId);
      const { state } = said.answer;
      if (state === "interrupted") this.#speech.dropped(line, "stopped");
      else this.#speech.told(line, state === "queued" ? "queued" : "accepted");
      if (this.#isLive) this.#told.accepted();
    } catch (error) {
      said.problem = Problem.fromFailure(error);
      this.#fail(line, said.problem);
    }
    // The session may have ended while the answer was on its way.
    if (!this.#isLive) this.#speech.stopped();
    return said;
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
      Object.assign(line, { cause: problem.name, reason: problem.title });
      this.#speech.refused(line);
    }
    this.#told.trouble(problem, line);
  }

  /** @param {Line} line */
  async #resolve(line) {
    const isUnclear = () => line.state === "unclear" && this.#isLive;
    const utterances = () => this.#session.utterances();
    const found = await findOutcome(line.turnId, { utterances, isUnclear, sleep });
    if (found === "missing") this.#giveBack(line, NOT_ARRIVED);
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
    else if (found === "failed") this.#giveBack(line, reasonOf(reason ?? ""));
    else if (found === "stopped") {
      if (reason) Object.assign(line, reasonOf(reason));
      this.#speech.dropped(line, "stopped");
    }
    if (found === "said" || found === "accepted") this.#speech.told(line, "accepted");
    if (found === "queued" || found === "unclear") this.#speech.told(line, found);
  }

  /**
   * @param {Line} line
   * @param {Reason} reason
   * @returns {boolean} Whether it waited; one that is heard goes on.
   */
  #drop(line, reason) {
    if (!this.#speech.unsaid.includes(line) || line === this.#speech.now?.line) return false;
    Object.assign(line, reason);
    this.#speech.dropped(line, "failed");
    return true;
  }

  // It was surely not said, so its writer gets it back.
  /**
   * @param {Line} line
   * @param {Reason} reason
   */
  #giveBack(line, reason) {
    if (this.#drop(line, reason) && line.seconds === undefined) this.#told.returned(line.text);
  }

  // Only the voice can tell: a line that is not heard long after its turn was not said.
  /** @param {Line} line */
  #listenFor(line) {
    setTimeout(() => {
      if (line.state !== "unclear") return;
      if (this.#speech.unsaid[0] === line) this.#drop(line, NOT_HEARD);
      else this.#listenFor(line);
    }, UNHEARD_MS);
  }

  /** @param {Utterance} utterance */
  #meet(utterance) {
    const line = lineFromUtterance(utterance, this.#skew, this.#kept?.heard ?? null, this.#recordingName());
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
      this.#add({ turnId, text, state: "failed", ...NOT_ARRIVED });
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

/**
 * @param {string} name Of a problem.
 * @returns {Reason}
 */
function reasonOf(name) {
  return { cause: name, reason: new Problem(name).title };
}

/**
 * @param {Said} said
 * @returns {Spoken}
 */
function answerOf({ answer, problem }) {
  if (answer) return answer;
  throw problem;
}
