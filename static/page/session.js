import { Emitter } from "../player/emitter.js";
import { Heartbeat } from "../player/heartbeat.js";
import { randomId } from "../player/random.js";
import { Avatar } from "./avatar.js";
import { Problem } from "./problems.js";

const ENDING_MS = 3000;
const END_TRIES = 6;

/** @type {Record<string, string>} Why the broker ended a session, by its `endReason`. */
const END_REASONS = {
  idle: "It was idle for too long.",
  expired: "Its time was up.",
  shutdown: "The server was stopped.",
  gone: "Kaltura ended it.",
  visitor: "It was ended from elsewhere, perhaps from another tab.",
};

/**
 * @typedef {import("./api.js").Opened} Opened
 * @typedef {import("./sdk.js").Player} Player
 * @typedef {"ready" | "connecting" | "live" | "ended" | "problem"} State
 * @typedef {{opened: Opened | null, avatar: Avatar | null, over: boolean}} Run
 * @typedef {{
 *   state: {state: State, problem?: Problem},
 *   opened: Opened & {secondsLeft: number},
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
  #api;
  #player;
  #stage;
  /** @type {Run} */
  #run = { opened: null, avatar: null, over: true };
  /** @type {Promise<unknown>} Settles when no session of the runs before is left. */
  #ending = Promise.resolve();
  /** @type {Set<Opened>} Sessions whose end nobody has confirmed yet. */
  #unended = new Set();
  #missedBeats = 0;
  #heartbeat = new Heartbeat(() => this.#keepAlive());

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
  }

  async start() {
    if (!this.#run.over) return;
    const run = (this.#run = { opened: null, avatar: null, over: false });
    this.#become("connecting");
    try {
      const { KalturaAvatarSession } = await this.#player;
      await this.#open(run);
      await this.#show(run, KalturaAvatarSession);
      if (!run.over) this.#become("live");
    } catch (error) {
      this.#fail(run, Problem.fromPlayer(error));
    }
  }

  /** Starts after ending this visitor's other sessions, when there may be no more of them. */
  async startInstead() {
    if (!this.#run.over) return;
    try {
      await this.#api.endAll();
    } catch (error) {
      this.#become("problem", Problem.fromFailure(error));
      return;
    }
    await this.start();
  }

  /**
   * @param {string} text
   * @returns {Promise<void>} Rejects with a `Problem`.
   */
  async speak(text) {
    await this.#command((opened) => this.#api.speak(opened, text));
  }

  async interrupt() {
    await this.#command((opened) => this.#api.interrupt(opened));
  }

  end() {
    this.#finish(this.#run);
    this.#become("ended");
  }

  /** Ends the session while the page goes away. */
  leave() {
    for (const opened of this.#unended) void this.#api.end(opened, { keepalive: true }).catch(() => {});
    if (!this.#run.over) this.end();
  }

  /** Asks the broker how things are: after sleep, a lost picture, or when time should be up. */
  async check() {
    const { opened } = this.#run;
    if (!opened || this.#run.over) return;
    try {
      const { state, secondsLeft, endReason } = await this.#command(() => this.#api.state(opened));
      if (state === "ended") this.#fail(this.#run, endedBecause(endReason));
      else this.emit("timeLeft", secondsLeft);
    } catch {
      // #command has told of an end already; anything else the heartbeat will tell.
    }
  }

  /** @param {Run} run */
  async #open(run) {
    // A visitor may have one session at a time, so the last one must be gone first.
    await Promise.race([this.#ending, pause(ENDING_MS)]);
    if (run.over) return;
    const opening = this.#api.create(randomId());
    this.#ending = opening.then((late) => (run.over ? this.#end(late) : undefined)).catch(() => {});
    const opened = await opening;
    if (run.over) return;
    run.opened = opened;
    this.#unended.add(opened);
    this.emit("opened", opened);
    this.#missedBeats = 0;
    this.#heartbeat.start();
  }

  /**
   * @param {Run} run
   * @param {import("./sdk.js").AvatarClass} AvatarSession
   */
  async #show(run, AvatarSession) {
    if (!run.opened) return;
    const avatar = (run.avatar = new Avatar(AvatarSession, run.opened.baseUrl));
    avatar.on("speaking", (speaking) => this.emit("speaking", speaking));
    avatar.on("trouble", (problem) => this.emit("trouble", problem));
    avatar.on("lost", (problem) => void this.#lost(run, problem));
    await avatar.show(run.opened, this.#stage);
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

  async #keepAlive() {
    try {
      await this.#command((opened) => this.#api.keepAlive(opened));
      if (this.#missedBeats > 1) this.emit("trouble", null);
      this.#missedBeats = 0;
    } catch (error) {
      this.#missedBeats += 1;
      if (this.#missedBeats === 2 && !this.#run.over)
        this.emit("trouble", Problem.fromFailure(error));
    }
  }

  /**
   * One call for the present session; an answer that the session is over ends it here too.
   *
   * @template T
   * @param {(opened: Opened) => Promise<T>} call
   * @returns {Promise<T>}
   */
  async #command(call) {
    const run = this.#run;
    if (!run.opened || run.over) throw new Problem("session-ended", { title: "There is no session" });
    try {
      return await call(run.opened);
    } catch (error) {
      const problem = Problem.fromFailure(error);
      if (problem.endsSession) this.#fail(run, problem);
      throw problem;
    }
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
    const { avatar, opened } = run;
    run.over = true;
    run.avatar = run.opened = null;
    this.#heartbeat.stop();
    // The SDK may or may not end the session itself; ending twice is harmless, not at all is not.
    const left = Promise.race([avatar?.close(), pause(ENDING_MS)]);
    if (opened) this.#ending = left.then(() => this.#end(opened));
  }

  // A session that is not ended costs minutes, so a lost connection is waited out for a while.
  /** @param {Opened} opened */
  async #end(opened) {
    for (let attempt = 1; attempt <= END_TRIES; attempt += 1) {
      try {
        await this.#api.end(opened, { keepalive: true });
        break;
      } catch (error) {
        if (!Problem.fromFailure(error).unanswered) break;
        await pause(ENDING_MS * attempt);
      }
    }
    this.#unended.delete(opened);
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

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** @param {string | null | undefined} reason */
function endedBecause(reason) {
  const detail = END_REASONS[reason ?? ""] ?? "The server ended it.";
  return new Problem("session-ended", { detail });
}
