import { repeatIfLost, sleepUntilOnline } from "../broker/connectivity.js";
import { Problem } from "../broker/problems.js";
import { randomId } from "../random-id.js";
import { sleep } from "../sleep.js";

const WAIT_SECONDS = 20;
const SHORTEST_MS = 1000;
const LONGEST_PAUSE_MS = 4000;

/**
 * @typedef {import("../broker/broker-api.js").OpenedSession} OpenedSession
 * @typedef {import("../broker/broker-api.js").PlaceInLine} PlaceInLine
 * @typedef {import("./waiting-ticket.js").Choice} Choice
 * @typedef {import("./waiting-ticket.js").WaitingTicket} WaitingTicket
 * @typedef {(key: string, wanted: Choice & {ticket?: string}) => Promise<OpenedSession | PlaceInLine>} OpenSession
 * @typedef {Choice & {idempotencyKey: string, ticket?: string}} SessionWish The request for a session.
 *   One click has one key; with a ticket it is the turn of a place in line that was given before.
 * @typedef {{choice?: Choice, kept?: WaitingTicket, open?: OpenSession}} AdmissionRequest `kept` is a place in line
 *   that a page before this one had. Without `open` the broker is asked for the session.
 * @typedef {{place: PlaceInLine | null, again: boolean, cutOff: boolean}} WaitingStatus How one waits: `place` null
 *   is not known yet, `again` is after a turn was missed, `cutOff` is without a connection.
 */

/**
 * Opens the session that one click asks for: at once, or by waiting in line when there is no room.
 *
 * One click is one idempotency key, so that no call that is repeated opens a second session.
 */
export class Admission {
  #api;
  #onWait;
  #open;
  #choice;
  #key;
  /** @type {string | null} */
  #ticket;
  /** @type {PlaceInLine | null} */
  #place = null;
  #again = false;
  #cancelled = new AbortController();

  /**
   * @param {import("../broker/broker-api.js").BrokerApi} api
   * @param {(wait: WaitingStatus) => void} onWait
   * @param {AdmissionRequest} [request]
   */
  constructor(api, onWait, { choice = {}, kept, open } = {}) {
    this.#api = api;
    this.#onWait = onWait;
    this.#open = open ?? ((key, wanted) => api.create(key, wanted));
    this.#choice = kept?.choice ?? choice;
    this.#key = kept?.key ?? randomId();
    this.#ticket = kept?.ticket ?? null;
  }

  /** @returns {WaitingTicket | null} The place in line, if there is one. */
  get ticket() {
    if (this.#ticket === null) return null;
    return { key: this.#key, ticket: this.#ticket, choice: this.#choice };
  }

  /**
   * Resolves with the session, also when it comes after `cancel`; rejects with a `Problem`.
   *
   * @returns {Promise<OpenedSession>}
   */
  async enter() {
    for (;;) {
      try {
        if (this.#ticket) await this.#turn(this.#ticket);
        this.#cancelled.signal.throwIfAborted();
        const answer = await this.#ask();
        if (!("ticket" in answer)) return this.#admitted(answer);
        await this.#getInLine(answer);
      } catch (error) {
        const problem = Problem.fromFailure(error);
        if (!this.#mayTryAgain(problem)) {
          await this.#leaveLine();
          throw problem;
        }
      }
    }
  }

  /** Gives up, and leaves the line. */
  cancel() {
    this.#cancelled.abort();
  }

  /** @param {OpenedSession} opened */
  #admitted(opened) {
    this.#ticket = null;
    return opened;
  }

  /** @param {PlaceInLine} place */
  async #getInLine(place) {
    // A turn without a session must not become a flood of calls.
    if (this.#ticket) await sleep(SHORTEST_MS, this.#cancelled.signal);
    this.#ticket = place.ticket;
    this.#tell(place);
  }

  /**
   * Whether to get in line once more, after a turn was missed.
   *
   * @param {Problem} problem
   */
  #mayTryAgain(problem) {
    if (problem.name !== "ticket-not-found" || this.#again) return false;
    this.#again = true;
    this.#ticket = null;
    return true;
  }

  // Also when nobody wants to get in any more: a lost answer may have opened a session.
  #ask() {
    const wanted = { ...this.#choice, ...(this.#ticket !== null && { ticket: this.#ticket }) };
    return repeatIfLost(() => this.#open(this.#key, wanted));
  }

  /**
   * Resolves when it is this visitor's turn; a connection that was lost keeps the place.
   *
   * Timers of hidden tabs are slow, but answers are not: a call that took its time is followed by
   * the next at once, and a pause comes only after one that was over too soon.
   *
   * @param {string} ticket
   */
  async #turn(ticket) {
    const { signal } = this.#cancelled;
    for (let failures = 0; this.#place === null || this.#place.turnSecondsLeft === null; ) {
      const began = performance.now();
      const news = await this.#look(ticket, failures > 0);
      failures = news === "failed" ? failures + 1 : 0;
      if (news === "new" || performance.now() - began >= SHORTEST_MS) continue;
      await sleepUntilOnline(Math.min(SHORTEST_MS * 2 ** failures, LONGEST_PAUSE_MS), signal);
    }
  }

  /**
   * @param {string} ticket
   * @param {boolean} isCutOff Then it matters most that there is an answer at all.
   * @returns {Promise<"new" | "same" | "failed">}
   */
  async #look(ticket, isCutOff) {
    const { signal } = this.#cancelled;
    const before = this.#place;
    try {
      const waitSeconds = before && !isCutOff ? WAIT_SECONDS : 0;
      const place = await this.#api.place(ticket, { waitSeconds, signal });
      this.#tell(place);
      const same = place.position === before?.position && place.turnSecondsLeft === null;
      return same ? "same" : "new";
    } catch (error) {
      const problem = Problem.fromFailure(error);
      if (signal.aborted || !problem.passing) throw problem;
      this.#tell(before, true);
      return "failed";
    }
  }

  /**
   * @param {PlaceInLine | null} place
   * @param {boolean} [cutOff]
   */
  #tell(place, cutOff = false) {
    this.#place = place;
    if (!this.#cancelled.signal.aborted) this.#onWait({ place, again: this.#again, cutOff });
  }

  async #leaveLine() {
    if (this.#ticket) await this.#api.leaveLine(this.#ticket).catch(() => {});
    this.#ticket = null;
  }
}
