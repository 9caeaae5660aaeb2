import { BrokerApi } from "../shared/broker/broker-api.js";
import { repeatIfLost } from "../shared/broker/connectivity.js";
import { randomId } from "../shared/random-id.js";
import { sessionEvents } from "./session-events.js";
import { say } from "./speaking.js";

/**
 * @typedef {{broker: string, serviceToken: string, fetch?: typeof globalThis.fetch}} ServiceOptions
 * @typedef {import("../../types/broker-api.js").CreatedSession} CreatedSession
 * @typedef {import("../../types/broker-api.js").PlaceInLine} PlaceInLine
 */

/**
 * Opens sessions for the pages of a site, and controls them, from the site's own backend.
 *
 * Every method rejects with a `Problem`.
 */
export class ServiceClient {
  #api;

  /** @param {ServiceOptions} options */
  constructor({ broker, serviceToken, fetch }) {
    this.#api = new BrokerApi({ broker, fetch, getAuthToken: async () => serviceToken });
  }

  /**
   * Opens a session, or gets in line for one; the answer is for the page, as it is.
   *
   * @param {Partial<import("../shared/session/admission.js").SessionWish>} [wish] What the page asks
   *   for. One key opens one session; when it is one's turn in line, the page sends its ticket.
   * @returns {Promise<CreatedSession | PlaceInLine>}
   */
  async createSession({ idempotencyKey = randomId(), ...wanted } = {}) {
    const answer = await repeatIfLost(() => this.#api.create(idempotencyKey, wanted));
    if ("ticket" in answer) return answer;
    const { answeredAt, ...session } = answer;
    return session;
  }

  /**
   * Says a text, or one that is still being written, behind what is to be said already.
   *
   * @param {string} sessionId
   * @param {import("./speaking.js").Words} words
   * @param {import("./speaking.js").SpeakOptions} [options]
   */
  speak(sessionId, words, options) {
    return say(this.#api, { sessionId }, words, options);
  }

  /**
   * Stops speech, and drops all that waits to be said.
   *
   * @param {string} sessionId
   */
  interrupt(sessionId) {
    return this.#api.interrupt({ sessionId });
  }

  /**
   * Ends a session; ending it again changes nothing.
   *
   * @param {string} sessionId
   */
  end(sessionId) {
    return repeatIfLost(() => this.#api.end({ sessionId }));
  }

  /**
   * Whether a session is live, and how long.
   *
   * @param {string} sessionId
   */
  get(sessionId) {
    return this.#api.state({ sessionId });
  }

  /**
   * The utterances of a session, oldest first, with their outcomes.
   *
   * @param {string} sessionId
   */
  utterances(sessionId) {
    return this.#api.utterances({ sessionId });
  }

  /**
   * The events of a session from now until its end; a lost connection is made again.
   *
   * @param {string} sessionId
   * @param {{signal?: AbortSignal}} [options]
   */
  events(sessionId, { signal } = {}) {
    return sessionEvents(this.#api, { sessionId }, signal);
  }
}

/** @param {ServiceOptions} options */
export function createServiceClient(options) {
  return new ServiceClient(options);
}
