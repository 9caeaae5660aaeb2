import { retryUntilAnswered } from "../broker/connectivity.js";
import { followEvents } from "../broker/event-stream.js";
import { Problem } from "../broker/problems.js";
import { Emitter } from "../emitter.js";
import { Heartbeat } from "../heartbeat.js";

const CHECK_MS = 30_000;

/** While it is not known whether the broker can be reached. */
const PROBE_DEADLINE_MS = 5000;

/** @typedef {import("../broker/broker-api.js").OpenedSession} OpenedSession */

/**
 * Keeps one open session alive, follows its events, and makes the calls for it.
 *
 * Each answer may be that the session has ended, which is told once.
 *
 * @extends {Emitter<{timeLeft: number, trouble: Problem | null, over: Problem, utterance: import("../broker/event-stream.js").Utterance}>}
 */
export class SessionMonitor extends Emitter {
  #api;
  #opened;
  #stopped = false;
  #missedBeats = 0;
  /** Whether the last call was not answered, and the next ones are made to learn whether any is. */
  #isProbing = false;
  #heartbeat = new Heartbeat(() => this.#keepAlive());
  #events = new AbortController();
  #checkup = new Heartbeat(() => this.check(), CHECK_MS);

  /**
   * @param {import("../broker/broker-api.js").BrokerApi} api
   * @param {OpenedSession} opened
   */
  constructor(api, opened) {
    super();
    this.#api = api;
    this.#opened = opened;
    this.#heartbeat.start();
    this.#checkup.start();
    void this.#follow();
  }

  /** Stops every call and every event. */
  stop() {
    this.#stopped = true;
    this.#heartbeat.stop();
    this.#checkup.stop();
    this.#events.abort();
  }

  /** Asks the broker for the session's state: now and then, after sleep, or when time should be up. */
  async check() {
    try {
      this.#stands(await this.call((opened) => this.#api.state(opened)));
    } catch {
      // An end has been told already; anything else the heartbeat will tell.
    }
  }

  /**
   * @template T
   * @param {(opened: OpenedSession) => Promise<T>} command
   * @returns {Promise<T>} Rejects with a `Problem`.
   */
  async call(command) {
    try {
      return await command(this.#opened);
    } catch (error) {
      const problem = Problem.fromFailure(error);
      if (problem.endsSession) this.#tellOver(problem);
      if (problem.unanswered) void this.#probe();
      throw problem;
    }
  }

  // An alert must not outlive its cause, and ten seconds are long to look at it.
  async #probe() {
    if (this.#isProbing || this.#stopped) return;
    this.#isProbing = true;
    const answered = await retryUntilAnswered(
      () => this.#beat(PROBE_DEADLINE_MS),
      () => this.#stopped,
    );
    this.#isProbing = false;
    if (answered && !this.#stopped) this.emit("trouble", null);
  }

  async #follow() {
    const open = /** @type {import("../broker/event-stream.js").OpenStream} */ (
      (lastId, signal) => this.#api.follow(this.#opened, lastId, signal)
    );
    try {
      for await (const told of followEvents(open, this.#events.signal)) this.#told(told);
    } catch {
      // The other calls meet the same failure, and tell it.
    }
  }

  /** @param {import("../broker/event-stream.js").ServerEvent} told */
  #told({ name, data }) {
    if (name === "session") this.#stands(data);
    if (name === "utterance" && !this.#stopped) this.emit("utterance", data);
  }

  /** @param {import("../broker/broker-api.js").SessionStatus} standing */
  #stands({ state, secondsLeft, endReason }) {
    if (state === "ended") this.#tellOver(ended(endReason));
    else if (!this.#stopped) this.emit("timeLeft", secondsLeft);
  }

  async #keepAlive() {
    if (!this.#isProbing) await this.#beat().catch(() => {});
  }

  /** @param {number} [deadlineMs] */
  async #beat(deadlineMs) {
    try {
      await this.call((opened) => this.#api.keepAlive(opened, deadlineMs));
      if (this.#missedBeats > 1 && !this.#isProbing && !this.#stopped) this.emit("trouble", null);
      this.#missedBeats = 0;
    } catch (error) {
      this.#missedBeats += 1;
      if (this.#missedBeats === 2 && !this.#stopped) this.emit("trouble", Problem.fromFailure(error));
      throw error;
    }
  }

  /** @param {Problem} problem */
  #tellOver(problem) {
    if (this.#stopped) return;
    this.stop();
    this.emit("over", problem);
  }
}

/** @param {string | null | undefined} endReason */
function ended(endReason) {
  return new Problem("session-ended", { detail: "The server ended it.", endReason });
}
