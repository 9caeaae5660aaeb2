import { Emitter } from "../player/emitter.js";
import { Heartbeat } from "../player/heartbeat.js";
import { Following } from "./following.js";
import { reached } from "./online.js";
import { Problem } from "./problems.js";

const CHECK_MS = 30_000;

/** While it is not known whether the broker can be reached. */
const PROBE_DEADLINE_MS = 5000;

/** @typedef {import("./api.js").Opened} Opened */

/**
 * The calls for one open session: signs of life, and whatever is asked for it.
 *
 * Any of them may be answered with the session's end, which is told once, whoever called.
 *
 * @extends {Emitter<{timeLeft: number, trouble: Problem | null, over: Problem, utterance: import("./following.js").Utterance}>}
 */
export class Lifeline extends Emitter {
  #api;
  #opened;
  #cut = false;
  #missedBeats = 0;
  /** Whether the last call was not answered, and the next ones are made to learn whether any is. */
  #isProbing = false;
  #heartbeat = new Heartbeat(() => this.#keepAlive());
  #following;
  #checkup = new Heartbeat(() => this.check(), CHECK_MS);

  /**
   * @param {import("./api.js").Api} api
   * @param {Opened} opened
   */
  constructor(api, opened) {
    super();
    this.#api = api;
    this.#opened = opened;
    this.#heartbeat.start();
    this.#checkup.start();
    this.#following = new Following(
      (lastId, signal) => api.follow(opened, lastId, signal),
      (told) => this.#told(told),
    );
  }

  /** Nothing is told any more. */
  cut() {
    this.#cut = true;
    this.#heartbeat.stop();
    this.#checkup.stop();
    this.#following.stop();
  }

  /** Asks the broker how things are: now and then, after sleep, or when time should be up. */
  async check() {
    try {
      this.#stands(await this.call((opened) => this.#api.state(opened)));
    } catch {
      // An end has been told already; anything else the heartbeat will tell.
    }
  }

  /**
   * @template T
   * @param {(opened: Opened) => Promise<T>} command
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

  // An alarm must not outlive its cause, and ten seconds are long for whoever looks at it.
  async #probe() {
    if (this.#isProbing || this.#cut) return;
    this.#isProbing = true;
    const answered = await reached(
      () => this.#beat(PROBE_DEADLINE_MS),
      () => this.#cut,
    );
    this.#isProbing = false;
    if (answered && !this.#cut) this.emit("trouble", null);
  }

  /** @param {import("./following.js").Told} told */
  #told({ name, data }) {
    if (name === "session") this.#stands(data);
    if (name === "utterance" && !this.#cut) this.emit("utterance", data);
  }

  /** @param {import("./api.js").Standing} standing */
  #stands({ state, secondsLeft, endReason }) {
    if (state === "ended") this.#tellOver(ended(endReason));
    else if (!this.#cut) this.emit("timeLeft", secondsLeft);
  }

  async #keepAlive() {
    if (!this.#isProbing) await this.#beat().catch(() => {});
  }

  /** @param {number} [deadlineMs] */
  async #beat(deadlineMs) {
    try {
      await this.call((opened) => this.#api.keepAlive(opened, deadlineMs));
      if (this.#missedBeats > 1 && !this.#isProbing && !this.#cut) this.emit("trouble", null);
      this.#missedBeats = 0;
    } catch (error) {
      this.#missedBeats += 1;
      if (this.#missedBeats === 2 && !this.#cut) this.emit("trouble", Problem.fromFailure(error));
      throw error;
    }
  }

  /** @param {Problem} problem */
  #tellOver(problem) {
    if (this.#cut) return;
    this.cut();
    this.emit("over", problem);
  }
}

/** @param {string | null | undefined} endReason */
function ended(endReason) {
  return new Problem("session-ended", { detail: "The server ended it.", endReason });
}
