import { Emitter } from "../player/emitter.js";
import { pause } from "../player/pause.js";
import { Admission } from "./admission.js";
import { Avatar } from "./avatar.js";
import { Ender } from "./ender.js";
import { Lifeline } from "./lifeline.js";
import { Offer } from "./offer.js";
import { Problem } from "./problems.js";
import { keepTicket, takeTicket } from "./ticket.js";

const RESUME_TRIES = 3;
const RESUME_PAUSE_MS = 3000;

/**
 * @typedef {import("./api.js").Held} Held
 * @typedef {import("./api.js").Opened} Opened
 * @typedef {import("./sdk.js").Player} Player
 * @typedef {"ready" | "connecting" | "live" | "ended" | "problem"} State
 * @typedef {{
 *   over: boolean,
 *   opening?: Promise<Opened>,
 *   admission?: Admission,
 *   session?: Held,
 *   lifeline?: Lifeline,
 *   avatar?: Avatar,
 * }} Run `session` is known from the answer on, or from the question on when it is resumed.
 * @typedef {{
 *   state: {state: State, problem?: Problem},
 *   waiting: import("./admission.js").Wait,
 *   opened: Opened,
 *   timeLeft: number,
 *   speaking: boolean,
 *   trouble: Problem | null,
 * }} SessionEvents
 */

/**
 * The life of the page's avatar session: ready, connecting, live, ended or problem, and again.
 *
 * Each start is a run of its own; what comes late for a run that is over is ended and forgotten,
 * so that no session is left behind whatever the order of clicks and answers.
 *
 * @extends {Emitter<SessionEvents>}
 */
export class Session extends Emitter {
  /** @type {State} */
  state = "ready";
  /** What is left of the page before this one. */
  offer;
  #api;
  #player;
  #stage;
  #ender;
  /** @type {Run} */
  #run = { over: true };
  /** @type {Held | null} What was live when the page went away. */
  #left = null;

  /**
   * @param {import("./api.js").Api} api
   * @param {Promise<Player>} player
   * @param {import("./avatar.js").Place} stage
   */
  constructor(api, player, stage) {
    super();
    this.#api = api;
    this.#player = player;
    this.#stage = stage;
    this.#ender = new Ender(api);
    this.offer = new Offer(api, this.#ender);
    this.offer.on("ended", (problem) => this.#become("ended", problem));
  }

  /** Goes on with what a page before this one left: its place in line, or its session. */
  async recover() {
    if (!this.#run.over) return;
    const ticket = takeTicket();
    if (ticket) await this.#go((run) => this.#admit(run, ticket));
    else await this.offer.look();
  }

  /** Resumes the session that is offered, or opens one. */
  async start() {
    await this.#go(async (run) => {
      const left = await this.offer.take();
      return left ? this.#resume(run, left) : this.#admit(run);
    });
  }

  /** Starts after ending this visitor's other sessions, when there may be no more of them. */
  async startInstead() {
    await this.#go(async (run) => {
      await this.#api.endAll();
      return this.#admit(run);
    });
  }

  /**
   * @param {string} text
   * @returns {Promise<void>} Rejects with a `Problem`.
   */
  async speak(text) {
    await this.#lifeline.call((opened) => this.#api.speak(opened, text));
  }

  async interrupt() {
    await this.#lifeline.call((opened) => this.#api.interrupt(opened));
  }

  /** Ends what is under way or offered, a place in line included. */
  end() {
    this.offer.refuse();
    this.#finish(this.#run);
    this.#become("ended");
  }

  /** The page goes away, for good or for a moment; the next page may go on with what it had. */
  leave() {
    this.#ender.hurry();
    this.offer.leave();
    const run = this.#run;
    if (run.over) return;
    if (run.admission?.ticket) keepTicket(run.admission.ticket);
    if (!run.session) return;
    run.over = true;
    this.#left = run.session;
    run.lifeline?.cut();
    run.avatar?.abandon();
    void this.#api.leave(run.session).catch(() => {});
  }

  /** The page was kept while it was away, and is shown again. */
  async comeBack() {
    const left = this.#left;
    this.#left = null;
    if (left) await this.#go((run) => this.#resume(run, left));
    else if (this.#run.over) await this.recover();
    // What was being opened or waited for goes on by itself.
    else takeTicket();
  }

  /** Asks the broker how things are, when there is reason to doubt it. */
  async check() {
    if (!this.#run.over) await this.#run.lifeline?.check();
  }

  get #lifeline() {
    const { lifeline, over } = this.#run;
    if (lifeline && !over) return lifeline;
    throw new Problem("session-ended", { title: "There is no session" });
  }

  /** @param {(run: Run) => Promise<Opened>} open */
  async #go(open) {
    if (!this.#run.over) return;
    /** @type {Run} */
    const run = (this.#run = { over: false });
    this.#become("connecting");
    try {
      // A player that does not come must not cost a session.
      await this.#player;
      // A visitor may have one session at a time, so the last one must be gone first.
      await this.#ender.settled();
      if (run.over) return;
      run.opening = open(run);
      const opened = await run.opening;
      if (run.over) return;
      const resumed = run.session !== undefined;
      this.#opened(run, opened);
      await this.#show(run, opened, resumed);
      if (!run.over) this.#become("live");
    } catch (error) {
      this.#fail(run, Problem.fromPlayer(error));
    }
  }

  /**
   * @param {Run} run
   * @param {import("./ticket.js").Ticket} [kept]
   */
  async #admit(run, kept) {
    if (run.over) throw new Problem("session-ended");
    const told = (/** @type {import("./admission.js").Wait} */ wait) => this.emit("waiting", wait);
    run.admission = new Admission(this.#api, told, kept);
    return run.admission.enter();
  }

  /**
   * @param {Run} run
   * @param {Held} session
   */
  #resume(run, session) {
    run.session = session;
    return this.#api.resume(session.sessionId);
  }

  /**
   * @param {Run} run
   * @param {Opened} opened
   */
  #opened(run, opened) {
    run.session = opened;
    const lifeline = (run.lifeline = new Lifeline(this.#api, opened));
    lifeline.on("timeLeft", (seconds) => this.emit("timeLeft", seconds));
    lifeline.on("trouble", (problem) => this.emit("trouble", problem));
    lifeline.on("over", (problem) => this.#fail(run, problem));
    this.emit("opened", opened);
  }

  /**
   * Shows the avatar; a page that resumes may have to wait until the last one's viewer is gone.
   *
   * Being refused for that is a matter of moments, so only what fails fast is tried again.
   *
   * @param {Run} run
   * @param {Opened} opened
   * @param {boolean} resumed
   */
  async #show(run, opened, resumed) {
    const { KalturaAvatarSession } = await this.#player;
    for (let tries = resumed ? RESUME_TRIES : 1; !run.over; tries -= 1) {
      const avatar = (run.avatar = new Avatar(KalturaAvatarSession, opened.baseUrl));
      avatar.on("speaking", (speaking) => this.emit("speaking", speaking));
      avatar.on("trouble", (problem) => this.emit("trouble", problem));
      avatar.on("lost", (problem) => void this.#lost(run, problem));
      const began = performance.now();
      try {
        return await avatar.show(opened, this.#stage);
      } catch (error) {
        if (tries === 1 || performance.now() - began > RESUME_PAUSE_MS) throw error;
        avatar.abandon();
        await pause(RESUME_PAUSE_MS);
      }
    }
  }

  /**
   * The broker knows whether the session ended or only its picture was lost.
   *
   * @param {Run} run
   * @param {Problem} problem
   */
  async #lost(run, problem) {
    await this.check();
    this.#fail(run, problem);
  }

  /**
   * @param {Run} run
   * @param {Problem} problem
   */
  #fail(run, problem) {
    if (run.over) return;
    this.#finish(run);
    this.#become(problem.name === "session-ended" ? "ended" : "problem", problem);
  }

  /** @param {Run} run */
  #finish(run) {
    if (run.over) return;
    run.over = true;
    const { opening, admission, session, lifeline, avatar } = run;
    admission?.cancel();
    lifeline?.cut();
    const closing = avatar?.close();
    if (session) this.#ender.end(session, closing);
    else if (opening) this.#ender.endLate(opening);
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
