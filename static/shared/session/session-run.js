import { Problem } from "../broker/problems.js";
import { Emitter } from "../emitter.js";
import { sleep } from "../sleep.js";
import { Admission } from "./admission.js";
import { SessionMonitor } from "./session-monitor.js";
import { storeTicket } from "./waiting-ticket.js";

const RESUME_TRIES = 3;
const RESUME_PAUSE_MS = 3000;

/**
 * @typedef {import("../broker/broker-api.js").SessionReference} SessionReference
 * @typedef {import("../broker/broker-api.js").OpenedSession} OpenedSession
 * @typedef {{cause: "connection" | "picture", problem: Problem | null}} SessionTrouble Null when it is over.
 * @typedef {{
 *   api: import("../broker/broker-api.js").BrokerApi,
 *   terminator: import("./termination.js").SessionTerminator,
 *   display: import("./avatar-player.js").AvatarDisplay,
 * }} SessionResources
 * @typedef {{
 *   waiting: import("./admission.js").WaitingStatus,
 *   opened: OpenedSession,
 *   live: undefined,
 *   timeLeft: number,
 *   speaking: boolean,
 *   trouble: SessionTrouble,
 *   utterance: import("../broker/event-stream.js").Utterance,
 *   failed: Problem,
 * }} SessionRunEvents "failed" also tells of a session that has ended; it is told once, and last.
 */

/**
 * One session from the click that asks for it to its end, and the avatar that shows it.
 *
 * A session that is opened after the run is over is ended at once, so that none is left behind in
 * any order of clicks and answers.
 *
 * @extends {Emitter<SessionRunEvents>}
 */
export class SessionRun extends Emitter {
  over = false;
  #resources;
  /** @type {Promise<OpenedSession> | undefined} */
  #opening;
  /** @type {Admission | undefined} */
  #admission;
  /** @type {SessionReference | undefined} Known from the answer on, or from the question on when resumed. */
  #session;
  /** @type {SessionMonitor | undefined} */
  #monitor;
  /** @type {import("./avatar-player.js").AvatarPlayer | undefined} */
  #avatar;
  /** @type {import("./player-loader.js").Prepared | null} */
  #prepared = null;

  /** @param {SessionResources} resources */
  constructor(resources) {
    super();
    this.#resources = resources;
  }

  /**
   * Resolves when the avatar is there, or when it is clear that it will not be.
   *
   * @param {(run: SessionRun) => Promise<OpenedSession>} open Ends in one of `admit` and `resume`.
   */
  async go(open) {
    try {
      // A player that does not come must not cost a session.
      await this.#resources.display.ready();
      // A visitor may have one session at a time, so the last one must be gone first.
      await this.#resources.terminator.settled();
      const prepared = (await this.#resources.display.prepare?.()) ?? null;
      if (this.over) return prepared?.close();
      this.#prepared = prepared;
      this.#opening = open(this);
      const opened = await this.#opening;
      if (this.over) return;
      const resumed = this.#session !== undefined;
      this.#opened(opened);
      await this.#show(opened, resumed);
      if (!this.over) this.emit("live", undefined);
    } catch (error) {
      this.#fail(Problem.fromPlayer(error));
    }
  }

  /** @param {import("./admission.js").AdmissionRequest} request */
  async admit(request) {
    if (this.over) throw new Problem("session-ended");
    this.#admission = new Admission(this.#resources.api, (wait) => this.#wait(wait), request);
    return this.#admission.enter();
  }

  /** @param {SessionReference} session */
  async resume(session) {
    this.#session = session;
    return this.#resources.api.resume(session);
  }

  /** The session's, while there is one. */
  get monitor() {
    return this.over ? undefined : this.#monitor;
  }

  /** Ends the session, or the one that may still be opened, and leaves the line. */
  finish() {
    if (this.over) return;
    this.over = true;
    this.#drop();
    this.#admission?.cancel();
    this.#monitor?.stop();
    const closing = this.#avatar?.close();
    if (this.#session) this.#resources.terminator.end(this.#session, closing);
    else if (this.#opening) this.#resources.terminator.endLate(this.#opening);
  }

  /**
   * Leaves the session, or the place in line, for the next page, as this one goes away.
   *
   * @returns {SessionReference | null} The session, which is not this run's any more.
   */
  leave() {
    if (this.over) return null;
    const { api } = this.#resources;
    if (this.#admission?.ticket) storeTicket(api.broker, this.#admission.ticket);
    if (!this.#session) return null;
    this.over = true;
    this.#monitor?.stop();
    this.#avatar?.abandon();
    void api.leave(this.#session).catch(() => {});
    return this.#session;
  }

  // A prepared offer grows stale: networks change during the wait.
  /** @param {import("./admission.js").WaitingStatus} wait */
  #wait(wait) {
    this.#drop();
    this.emit("waiting", wait);
  }

  #drop() {
    this.#prepared?.close();
    this.#prepared = null;
  }

  /** @param {OpenedSession} opened */
  #opened(opened) {
    this.#session = opened;
    const monitor = (this.#monitor = new SessionMonitor(this.#resources.api, opened));
    monitor.on("timeLeft", (seconds) => this.emit("timeLeft", seconds));
    monitor.on("trouble", (problem) => this.emit("trouble", { cause: "connection", problem }));
    monitor.on("utterance", (utterance) => this.emit("utterance", utterance));
    monitor.on("over", (problem) => this.#fail(problem));
    this.emit("opened", opened);
  }

  /**
   * Shows the avatar; a page that resumes may have to wait until the last one's viewer is gone.
   *
   * Being refused for that is a matter of moments, so only what fails fast is tried again.
   *
   * @param {OpenedSession} opened
   * @param {boolean} resumed
   */
  async #show(opened, resumed) {
    const { display } = this.#resources;
    for (let tries = resumed ? RESUME_TRIES : 1; !this.over; tries -= 1) {
      const avatar = await display.playerOf(opened, this.#prepared);
      this.#prepared = null;
      if (this.over) return;
      this.#avatar = avatar;
      avatar.on("speaking", (speaking) => this.emit("speaking", speaking));
      avatar.on("trouble", (problem) => this.emit("trouble", { cause: "picture", problem }));
      avatar.on("lost", (problem) => void this.#lost(problem));
      const began = performance.now();
      try {
        return await avatar.show(display.container);
      } catch (error) {
        if (tries === 1 || performance.now() - began > RESUME_PAUSE_MS) throw error;
        avatar.abandon();
        await sleep(RESUME_PAUSE_MS);
      }
    }
  }

  /**
   * The broker knows whether the session ended or only its picture was lost.
   *
   * @param {Problem} problem
   */
  async #lost(problem) {
    await this.#monitor?.check();
    this.#fail(problem);
  }

  /** @param {Problem} problem */
  #fail(problem) {
    if (this.over) return;
    this.finish();
    this.emit("failed", problem);
  }
}
