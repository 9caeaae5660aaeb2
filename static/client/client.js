import { BrokerApi } from "../shared/broker/broker-api.js";
import { Admission } from "../shared/session/admission.js";
import { AvatarSession } from "./session.js";

/**
 * @typedef {import("../shared/broker/caller.js").CallerOptions & {fetch?: typeof globalThis.fetch}} ClientOptions
 *   Without a broker it is where the page comes from.
 * @typedef {import("../shared/session/waiting-ticket.js").Choice & {
 *   onWaiting?: (wait: import("../shared/session/admission.js").WaitingStatus) => void,
 *   signal?: AbortSignal,
 * }} OpenOptions `onWaiting` is told of each place in line while every session is taken.
 */

/** Opens sessions for the visitor of a page. */
export class AvatarClient {
  #api;

  /** @param {ClientOptions} [options] */
  constructor(options) {
    this.#api = new BrokerApi(options);
  }

  /**
   * Opens a session, after waiting in line when every one is taken; one call opens one session.
   *
   * @param {OpenOptions} [options] With an aborted `signal` the line is left, and a session that
   *   opens after all is ended.
   * @returns {Promise<AvatarSession>} Rejects with a `Problem`, or the signal's reason.
   */
  async open({ onWaiting = () => {}, signal, ...choice } = {}) {
    signal?.throwIfAborted();
    const admission = new Admission(this.#api, onWaiting, { choice });
    const cancel = () => admission.cancel();
    signal?.addEventListener("abort", cancel);
    try {
      const opened = await admission.enter();
      if (!signal?.aborted) return new AvatarSession(this.#api, opened);
      await this.#api.end(opened);
    } catch (error) {
      if (!signal?.aborted) throw error;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
    throw signal?.reason;
  }

  /**
   * Takes up a session that this visitor has left, such as by a reload.
   *
   * @param {string} sessionId
   * @returns {Promise<AvatarSession>} Rejects with a `Problem`.
   */
  async resume(sessionId) {
    return new AvatarSession(this.#api, await this.#api.resume({ sessionId }));
  }

  /** The visitor's live sessions of all pages; rejects with a `Problem`. */
  sessions() {
    return this.#api.sessions();
  }
}

/** @param {ClientOptions} [options] */
export function createClient(options) {
  return new AvatarClient(options);
}
