import { Problem } from "../broker/problems.js";
import { sleep } from "../sleep.js";

const ENDING_MS = 3000;
const END_TRIES = 6;

/** @typedef {import("../broker/broker-api.js").SessionReference} SessionReference */

/** Ends sessions and makes sure that they are ended: one that goes on costs minutes. */
export class SessionTerminator {
  #api;
  /** @type {Set<SessionReference>} Sessions whose end nobody has confirmed yet. */
  #unended = new Set();
  /** @type {Set<Promise<unknown>>} */
  #underWay = new Set();

  /** @param {import("../broker/broker-api.js").BrokerApi} api */
  constructor(api) {
    this.#api = api;
  }

  /**
   * @param {SessionReference} session
   * @param {Promise<unknown>} [closing] The player's own farewell, which goes first but not forever.
   */
  end(session, closing) {
    this.#unended.add(session);
    this.#track(this.#end(session, closing));
  }

  /**
   * Ends the session of an opening that is no longer wanted, once it is there.
   *
   * @param {Promise<SessionReference>} opening
   */
  endLate(opening) {
    this.#track(opening.then((late) => this.end(late)).catch(() => {}));
  }

  /** Resolves when every earlier session has ended, or after a few seconds. */
  async settled() {
    const late = sleep(ENDING_MS);
    while (this.#underWay.size > 0) {
      const patient = Promise.all(this.#underWay).then(() => true);
      if (!(await Promise.race([patient, late]))) return;
    }
  }

  /** Ends at once each session whose end is not confirmed yet, as the page goes away. */
  hurry() {
    for (const session of this.#unended) void this.#api.end(session).catch(() => {});
  }

  /** @param {Promise<unknown>} work Must not reject. */
  #track(work) {
    this.#underWay.add(work);
    void work.then(() => this.#underWay.delete(work));
  }

  // A lost connection is waited out for a while.
  /**
   * @param {SessionReference} session
   * @param {Promise<unknown>} [closing]
   */
  async #end(session, closing) {
    // The SDK may or may not end the session itself; ending twice is harmless, not at all is not.
    if (closing) await Promise.race([closing, sleep(ENDING_MS)]);
    for (let attempt = 1; attempt <= END_TRIES; attempt += 1) {
      try {
        await this.#api.end(session);
        break;
      } catch (error) {
        const problem = Problem.fromFailure(error);
        if (problem.name === "control-not-allowed") await this.#leave(session);
        if (!problem.unanswered) break;
        await sleep(ENDING_MS * attempt);
      }
    }
    this.#unended.delete(session);
  }

  // Where visitors may not end a session they may still turn away, and then the broker ends it.
  /** @param {SessionReference} session */
  async #leave(session) {
    await this.#api.leave(session).catch(() => {});
  }
}
