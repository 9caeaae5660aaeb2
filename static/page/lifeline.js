import { Emitter } from "../player/emitter.js";
import { Heartbeat } from "../player/heartbeat.js";
import { Following } from "./following.js";
import { Problem } from "./problems.js";

const CHECK_MS = 30_000;

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
      throw problem;
    }
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
    try {
      await this.call((opened) => this.#api.keepAlive(opened));
      if (this.#missedBeats > 1 && !this.#cut) this.emit("trouble", null);
      this.#missedBeats = 0;
    } catch (error) {
      this.#missedBeats += 1;
      if (this.#missedBeats === 2 && !this.#cut) this.emit("trouble", Problem.fromFailure(error));
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
