import { repeatIfLost } from "../shared/broker/connectivity.js";
import { randomId } from "../shared/random-id.js";
import { sessionEvents } from "./session-events.js";
import { say } from "./speaking.js";

/** @typedef {import("../../types/broker-api.js").CreatedSession} CreatedSession */

/**
 * One open session: what a player needs to show it, and its controls.
 *
 * Every method rejects with a `Problem`.
 */
export class AvatarSession {
  #api;
  #opened;
  #openedAt = performance.now();
  #stops = 0;

  /**
   * @param {import("../shared/broker/broker-api.js").BrokerApi} api
   * @param {CreatedSession} opened
   */
  constructor(api, opened) {
    this.#api = api;
    this.#opened = opened;
  }

  get sessionId() {
    return this.#opened.sessionId;
  }

  /** Controls this one session; a page keeps it in memory only. */
  get token() {
    return this.#opened.token;
  }

  /** The `baseUrl` for Kaltura's SDK. */
  get baseUrl() {
    return this.#opened.baseUrl;
  }

  /** The seconds until the session ends by itself, as far as it was known when it was opened. */
  get secondsLeft() {
    const passed = (performance.now() - this.#openedAt) / 1000;
    return Math.max(0, this.#opened.secondsLeft - passed);
  }

  /**
   * Says a text, or one that is still being written, behind what is to be said already.
   *
   * @param {import("./speaking.js").Words} words
   * @param {import("./speaking.js").SpeakOptions} [options]
   */
  speak(words, options) {
    const stops = this.#stops;
    return say(this.#api, this.#opened, words, { ...options, isStopped: () => this.#stops > stops });
  }

  /**
   * Says a recording.
   *
   * @param {Blob} audio
   * @param {import("./speaking.js").SpeakOptions} [options]
   * @returns {Promise<import("./speaking.js").Receipt>}
   */
  async speakAudio(audio, { turnId = randomId() } = {}) {
    const { state } = await this.#api.speakAudio(this.#opened, audio, turnId);
    return { turnId, state: state ?? "speaking" };
  }

  /** Stops speech, and drops all that waits to be said. */
  async interrupt() {
    this.#stops += 1;
    await this.#api.interrupt(this.#opened);
  }

  /** The utterances, oldest first, with their outcomes. */
  utterances() {
    return this.#api.utterances(this.#opened);
  }

  /**
   * The events from now until the session ends; a lost connection is made again.
   *
   * @param {{signal?: AbortSignal}} [options] An aborted `signal` ends it too.
   */
  events({ signal } = {}) {
    return sessionEvents(this.#api, this.#opened, signal);
  }

  /** Whether the session is live, and how long. */
  state() {
    return this.#api.state(this.#opened);
  }

  /** Gives a sign of life; a player or page has to give one every 10 seconds. */
  keepAlive() {
    return this.#api.keepAlive(this.#opened);
  }

  /** Says that the page goes away: the session ends in 3 seconds unless it is resumed. */
  leave() {
    return this.#api.leave(this.#opened);
  }

  /** Ends the session; ending it again changes nothing. */
  end() {
    return repeatIfLost(() => this.#api.end(this.#opened));
  }
}
