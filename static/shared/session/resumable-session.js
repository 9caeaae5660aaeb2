import { Problem } from "../broker/problems.js";
import { Emitter } from "../emitter.js";
import { Heartbeat } from "../heartbeat.js";
import { sleep } from "../sleep.js";

const HELD_MS = 60_000;

/** All of it is less than the three seconds for which a session that was left goes on. */
const LOOK_AGAIN_MS = 400;
const LOOKS_AGAIN = 3;

/** Half of the time, so that by its end only someone else's signs of life can still count. */
const BEATING_MS = 30_000;

/** @typedef {import("../broker/broker-api.js").OpenedSession} OpenedSession */

/**
 * Finds a session that an earlier page left, as a reload does, and holds it until the visitor decides.
 *
 * It is kept alive for a while, and ended when the visitor declines it or does not come back.
 *
 * @extends {Emitter<{found: OpenedSession, gone: undefined, ended: Problem}>}
 */
export class ResumableSession extends Emitter {
  #api;
  #terminator;
  /** @type {OpenedSession | null} */
  #held = null;
  #searching = Promise.resolve();
  /** @type {ReturnType<typeof setTimeout>[]} */
  #timers = [];
  #heartbeat = new Heartbeat(() => this.#keepAlive());

  /**
   * @param {import("../broker/broker-api.js").BrokerApi} api
   * @param {import("./termination.js").SessionTerminator} terminator
   */
  constructor(api, terminator) {
    super();
    this.#api = api;
    this.#terminator = terminator;
  }

  /** Whether there is a held session. */
  get isFound() {
    return this.#held !== null;
  }

  /** Finds a session that no page watches, and holds it; one in another tab is left alone. */
  find() {
    this.#searching = this.#search();
    return this.#searching;
  }

  /**
   * Hands the held session over, to be resumed.
   *
   * @returns {Promise<OpenedSession | null>} null when there is none.
   */
  async claim() {
    await this.#searching;
    return this.#release();
  }

  /** Ends the held session. */
  decline() {
    const held = this.#release();
    if (held) this.#terminator.end(held);
  }

  /** Leaves the held session for the next page, as this one goes away. */
  leave() {
    const held = this.#release();
    if (held) void this.#api.leave(held).catch(() => {});
  }

  async #search() {
    this.#release();
    try {
      const left = await this.#left();
      if (left) this.#hold(await this.#api.resume(left));
    } catch {
      // Then there is nothing to resume, and Start meets the same failure and tells it.
    }
  }

  // The last page's word that it has left may arrive after this page's first question.
  async #left() {
    for (let again = LOOKS_AGAIN; ; again -= 1) {
      const live = (await this.#api.sessions()).filter(({ state }) => state === "live");
      const left = live.find(({ watched }) => watched === false);
      if (left || again === 0 || !live.some(({ watched }) => watched)) return left;
      await sleep(LOOK_AGAIN_MS);
    }
  }

  /** @param {OpenedSession} opened */
  #hold(opened) {
    this.#held = opened;
    this.#heartbeat.start();
    this.#timers = [
      setTimeout(() => this.#heartbeat.stop(), BEATING_MS),
      setTimeout(() => void this.#expire(opened), HELD_MS),
    ];
    this.emit("found", opened);
  }

  // Another tab may have taken it up meanwhile, and then it is not this one's to end.
  /** @param {OpenedSession} opened */
  async #expire({ sessionId }) {
    const sessions = await this.#api.sessions().catch(() => []);
    const { watched = true } = sessions.find((session) => session.sessionId === sessionId) ?? {};
    if (this.#held?.sessionId !== sessionId) return;
    if (watched) this.#release();
    else this.#end(new Problem("session-ended", { detail: "Nobody came back to it." }));
  }

  /** @param {Problem} problem */
  #end(problem) {
    this.decline();
    this.emit("ended", problem);
  }

  async #keepAlive() {
    try {
      if (this.#held) await this.#api.keepAlive(this.#held);
    } catch (error) {
      const problem = Problem.fromFailure(error);
      if (problem.endsSession && this.#held) this.#end(problem);
    }
  }

  #release() {
    const held = this.#held;
    this.#held = null;
    this.#heartbeat.stop();
    for (const timer of this.#timers) clearTimeout(timer);
    if (held) this.emit("gone", undefined);
    return held;
  }
}
