import { BrokerApi } from "../shared/broker/broker-api.js";
import { Problem } from "../shared/broker/problems.js";
import { AvatarPlayer } from "../shared/session/avatar-player.js";
import { sleep } from "../shared/sleep.js";

const ENDING_MS = 3000;

/**
 * @typedef {import("../shared/broker/broker-api.js").OpenedSession} OpenedSession
 * @typedef {import("../shared/broker/broker-api.js").SessionReference} SessionReference
 * @typedef {import("../shared/broker/broker-api.js").SessionStatus} SessionStatus
 * @typedef {import("../shared/session/admission.js").WaitingStatus} WaitingStatus
 * @typedef {import("./controls.js").Controls} Controls
 * @typedef {Omit<import("./controls.js").Tools, "inLine">} PageTools
 * @typedef {Pick<import("../../types/broker-api").Created, "sessionId" | "token">} SeenSession
 */

/** @type {SeenSession} Stands for a session that an SDK opens by other means than `fetch`. */
const UNSEEN = { sessionId: "", token: "" };

/**
 * Calls the broker as one approach does: its own code opens, keeps, controls and ends a session.
 *
 * The page shows every request as the approach's, so none is made besides, but to learn why a session
 * was lost, and to end one that the approach's code failed to end.
 */
export class ApproachApi extends BrokerApi {
  #approach;
  #tools;
  #onWaiting;
  /** Says that nobody waits in line any more. */
  #left = new AbortController();
  /** @type {Map<string, Attempt>} By session. */
  #attempts = new Map();
  /** @type {(session: SeenSession) => void} */
  #onSeen = () => {};

  /**
   * @param {import("./controls.js").Approach} approach
   * @param {Promise<PageTools>} tools
   * @param {(wait: WaitingStatus) => void} onWaiting
   */
  constructor(approach, tools, onWaiting) {
    super();
    this.#approach = approach;
    this.#tools = tools;
    this.#onWaiting = onWaiting;
  }

  /** Has the approach leave the line, if it is in one; a session that opens after all is ended. */
  leaveLines() {
    this.#left.abort();
  }

  /**
   * Takes note of a session that an answer was seen to open.
   *
   * @param {SeenSession} session
   */
  seen(session) {
    this.#onSeen(session);
  }

  /**
   * The player that shows a session.
   *
   * @param {SessionReference} session
   */
  async playerOf({ sessionId }) {
    const attempt = this.#attempts.get(sessionId);
    if (!attempt) throw new Problem("session-ended");
    return attempt.player;
  }

  /**
   * @override
   * @returns {Promise<OpenedSession>}
   */
  async create() {
    this.#left = new AbortController();
    const inLine = { onWaiting: this.#onWaiting, signal: this.#left.signal };
    /** @type {SeenSession | undefined} */
    let seen;
    const opening = new Promise((resolve) => {
      this.#onSeen = (session) => resolve((seen = session));
    });
    try {
      const attempt = new Attempt(await this.#approach({ ...(await this.#tools), inLine }));
      // Where the approach leaves that to the SDK, the session is opened as it begins to be shown.
      if (!seen) await Promise.race([opening, attempt.show()]);
      const session = seen ?? UNSEEN;
      this.#attempts.set(session.sessionId, attempt);
      return /** @type {OpenedSession} */ (session);
    } catch (error) {
      throw asProblem(error);
    }
  }

  /**
   * @override
   * @param {SessionReference} session
   * @param {string} text
   * @param {string} turnId
   */
  async speak(session, text, turnId) {
    await this.#control(session, ({ speak }) => speak(text));
    return { turnId };
  }

  /**
   * @override
   * @param {SessionReference} session
   */
  async interrupt(session) {
    await this.#control(session, ({ stop }) => stop());
  }

  /**
   * @override
   * @param {SessionReference} session
   */
  async keepAlive(session) {
    await this.#attempts.get(session.sessionId)?.controls.keepAlive?.();
  }

  /**
   * @override
   * @param {SessionReference} session
   * @returns {Promise<SessionStatus>}
   */
  async state(session) {
    if (this.#attempts.get(session.sessionId)?.isLost) return super.state(session);
    return { state: "live", secondsLeft: Infinity };
  }

  /**
   * @override
   * @returns {Promise<never>}
   */
  follow() {
    return new Promise(() => {});
  }

  /**
   * @override
   * @param {SessionReference} session
   */
  async end(session) {
    const attempt = this.#attempts.get(session.sessionId);
    // A session that was opened too late to be shown has not been closed yet.
    if (attempt && !attempt.isClosing) await Promise.race([attempt.player.close(), sleep(ENDING_MS)]);
    if (!attempt?.isEnded && session.sessionId) await super.end(session);
    this.#attempts.delete(session.sessionId);
  }

  /**
   * @param {SessionReference} session
   * @param {(controls: Controls) => Promise<unknown>} call
   */
  async #control({ sessionId }, call) {
    const attempt = this.#attempts.get(sessionId);
    try {
      if (attempt) await call(attempt.controls);
    } catch (error) {
      throw asProblem(error);
    }
  }
}

/** One run of an approach's code: what it gave to control a session, and the player that shows it. */
class Attempt {
  controls;
  player;
  isClosing = false;
  /** Whether the approach's own code has ended the session. */
  isEnded = false;
  /** Whether the player has told that the session, or its picture, is gone. */
  isLost = false;
  /** @type {Promise<void> | undefined} */
  #showing;

  /** @param {Controls} controls */
  constructor(controls) {
    this.controls = controls;
    this.player = new AvatarPlayer(controls.session, () => this.show(), () => this.#close());
    this.player.on("lost", () => (this.isLost = true));
  }

  /** Shows the session, once. */
  show() {
    return (this.#showing ??= this.controls.show());
  }

  async #close() {
    this.isClosing = true;
    await this.controls.end();
    this.isEnded = true;
  }
}

/**
 * An error of an approach's code, as a problem after which no call is repeated.
 *
 * @param {any} error
 * @returns {Problem}
 */
function asProblem(error) {
  if (error instanceof Problem && !error.unanswered) return error;
  const { message = "", title = "That did not work", detail = message } = error ?? {};
  return new Problem("player-error", { title, detail });
}
