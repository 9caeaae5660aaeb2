import { retryUntilAnswered } from "../broker/connectivity.js";
import { Problem } from "../broker/problems.js";
import { Emitter } from "../emitter.js";
import { noteLeft, takeLeft } from "./left-session.js";
import { ResumableSession } from "./resumable-session.js";
import { SessionRun } from "./session-run.js";
import { SessionTerminator } from "./termination.js";
import { takeTicket } from "./waiting-ticket.js";

/** What is told of a session as it is told of its run. */
const PASSED_ON = /** @type {const} */ (["waiting", "opened", "timeLeft", "speaking", "trouble", "utterance"]);

/**
 * @typedef {import("../broker/broker-api.js").OpenedSession} OpenedSession
 * @typedef {"ready" | "connecting" | "live" | "ended" | "problem"} State
 * @typedef {{
 *   state: {state: State, problem?: Problem},
 *   waiting: import("./admission.js").WaitingStatus,
 *   opened: OpenedSession,
 *   timeLeft: number,
 *   speaking: boolean,
 *   trouble: import("./session-run.js").SessionTrouble,
 *   utterance: import("../broker/event-stream.js").Utterance,
 * }} SessionEvents
 */

/**
 * @typedef {import("./waiting-ticket.js").Choice} Choice
 * @typedef {import("../../../types/broker-api.js").CreatedSession} CreatedSession
 * @typedef {import("../../../types/broker-api.js").PlaceInLine} PlaceInLine
 * @typedef {(wish: import("./admission.js").SessionWish) => Promise<CreatedSession | PlaceInLine>} FetchSession Has the site's own backend
 *   open a session; gives what the broker answered there.
 */

/**
 * The life of one avatar session after another: ready, connecting, live, ended or problem, and again.
 *
 * @extends {Emitter<SessionEvents>}
 */
export class SessionController extends Emitter {
  /** @type {State} */
  state = "ready";
  /** The session that an earlier page left. */
  resumable;
  #api;
  #resources;
  #fetchSession;
  /** @type {SessionRun | null} */
  #run = null;
  /** @type {import("../broker/broker-api.js").SessionReference | null} The session that was live when the page went away. */
  #left = null;

  /**
   * @param {import("../broker/broker-api.js").BrokerApi} api
   * @param {import("./avatar-player.js").AvatarDisplay} display
   * @param {{fetchSession?: FetchSession}} [options] With `fetchSession` this visitor opens none, and has none to resume.
   */
  constructor(api, display, { fetchSession } = {}) {
    super();
    this.#fetchSession = fetchSession;
    const terminator = new SessionTerminator(api);
    this.#api = api;
    this.#resources = { api, terminator, display };
    this.resumable = new ResumableSession(api, terminator);
    this.resumable.on("ended", (problem) => this.#become("ended", problem));
  }

  /** Takes up the place in line, or finds the session, that an earlier page left. */
  async recover() {
    const kept = takeTicket(this.#api.broker);
    if (kept) await this.#go((run) => this.#admit(run, { kept }));
    else if (this.#mayHaveLeft()) await this.resumable.find();
  }

  /**
   * Resumes the session that an earlier page left, or opens one.
   *
   * @param {Choice} [choice] Of a session that is opened.
   */
  async start(choice = {}) {
    await this.#go(async (run) => {
      const left = await this.resumable.claim();
      return left ? run.resume(left) : this.#admit(run, { choice });
    });
  }

  /**
   * Starts after ending this visitor's other sessions, when there may be no more of them.
   *
   * @param {Choice} [choice]
   */
  async startInstead(choice = {}) {
    await this.#go(async (run) => {
      await this.#api.endAll();
      return this.#admit(run, { choice });
    });
  }

  /**
   * @param {string} text
   * @param {string} turnId
   * @returns {Promise<import("../broker/broker-api.js").Spoken>} Rejects with a `Problem`.
   */
  async speak(text, turnId) {
    return this.#monitor.call((opened) => this.#api.speak(opened, text, turnId));
  }

  /** Lists the session's utterances with their states; rejects with a `Problem`. */
  async utterances() {
    return this.#monitor.call((opened) => this.#api.utterances(opened));
  }

  /**
   * Reports that the voice of an utterance begins or ends; does nothing without a session.
   *
   * @param {string | undefined} turnId
   * @param {import("../../../types/broker-api.js").Heard["state"]} state
   */
  async heard(turnId, state) {
    const monitor = this.#run?.monitor;
    if (!turnId || !monitor) return;
    await monitor.call((opened) => this.#api.heard(opened, turnId, state)).catch(() => {});
  }

  /**
   * @param {Blob} audio
   * @param {string} turnId
   * @returns {Promise<import("../broker/broker-api.js").Spoken>} Rejects with a `Problem`.
   */
  async speakAudio(audio, turnId) {
    return this.#monitor.call((opened) => this.#api.speakAudio(opened, audio, turnId));
  }

  async interrupt() {
    await this.#monitor.call((opened) => this.#api.interrupt(opened));
  }

  /** Ends the session, open or to be resumed, or leaves the line. */
  end() {
    this.resumable.decline();
    this.#run?.finish();
    this.#become("ended");
  }

  /** Resolves when every earlier session has ended, or after a few seconds. */
  async settled() {
    await this.#resources.terminator.settled();
  }

  /** Leaves the session, or the place in line, for the next page, as this one goes away. */
  leave() {
    this.#resources.terminator.hurry();
    if (this.#keepsNote && (this.#busy || this.resumable.isFound)) noteLeft(this.#api.broker);
    this.resumable.leave();
    this.#left = this.#run?.leave() ?? null;
  }

  /** Resumes, where the browser kept the page while it was away and shows it again. */
  async comeBack() {
    const left = this.#left;
    if (left) takeLeft(this.#api.broker);
    if (left) await this.#go((run) => run.resume(left));
    else if (this.#busy) takeTicket(this.#api.broker); // An opening or a wait goes on by itself.
    else await this.recover();
  }

  /** Asks the broker for the session's state, where there is reason to doubt it. */
  async check() {
    await this.#run?.monitor?.check();
  }

  #mayHaveLeft() {
    if (this.#fetchSession) return false;
    return !this.#keepsNote || takeLeft(this.#api.broker);
  }

  // Where a visitor has only opened a page, no login is asked for a token, and no broker elsewhere
  // for sessions.
  get #keepsNote() {
    return this.#api.asksLogin || Boolean(this.#api.broker);
  }

  get #busy() {
    return this.#run !== null && !this.#run.over;
  }

  get #monitor() {
    const monitor = this.#run?.monitor;
    if (monitor) return monitor;
    throw new Problem("session-ended", { title: "There is no session" });
  }

  /**
   * @param {SessionRun} run
   * @param {Pick<import("./admission.js").AdmissionRequest, "choice" | "kept">} request
   */
  #admit(run, request) {
    return run.admit({ ...request, open: this.#fetchSession && fetchedBy(this.#fetchSession) });
  }

  /** @param {(run: SessionRun) => Promise<OpenedSession>} open */
  async #go(open) {
    if (this.#busy) return;
    const run = (this.#run = new SessionRun(this.#resources));
    for (const event of PASSED_ON) run.on(event, (/** @type {any} */ told) => this.emit(event, told));
    run.on("live", () => this.#become("live"));
    run.on("failed", (problem) => {
      this.#become(problem.name === "session-ended" ? "ended" : "problem", problem);
      if (problem.unanswered) void this.#calmDown();
    });
    this.#become("connecting");
    await run.go(open);
  }

  // A server that could not be reached is no problem any more once it can.
  async #calmDown() {
    const run = this.#run;
    const isOver = () => this.state !== "problem" || this.#run !== run;
    if (await retryUntilAnswered(() => this.#api.sessions(), isOver)) this.#become("ready");
  }

  /**
   * @param {State} state
   * @param {Problem} [problem]
   */
  #become(state, problem) {
    this.state = state;
    this.emit("state", { state, problem });
  }
}

/**
 * @param {FetchSession} fetchSession
 * @returns {import("./admission.js").OpenSession}
 */
function fetchedBy(fetchSession) {
  return async (idempotencyKey, wanted) => {
    try {
      const answer = await fetchSession({ ...wanted, idempotencyKey });
      return "ticket" in answer ? answer : { ...answer, answeredAt: Date.now() };
    } catch (error) {
      if (error instanceof Problem) throw error;
      throw new Problem("fetch-session-failed", { detail: error instanceof Error ? error.message : "" });
    }
  };
}
