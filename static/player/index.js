import { Emitter } from "../shared/emitter.js";
import { Heartbeat } from "../shared/heartbeat.js";
import { randomId } from "../shared/random-id.js";
import { ControlClient, ControlError } from "./control-client.js";
import { AvatarError, toAvatarError } from "./errors.js";
import { Media } from "./media.js";
import { PeerOffer } from "./peer-offer.js";

/**
 * `retryConfig` and `logLevel` are understood and left unused: the broker repeats what is safe to
 * repeat, and the player has nothing to log that its events do not say.
 *
 * @typedef {{
 *   baseUrl: string,
 *   retryConfig?: {maxAttempts: number, initialDelayMs: number, maxDelayMs: number, backoffMultiplier: number},
 *   logLevel?: "debug" | "info" | "warn" | "error",
 * }} AvatarConfig
 * @typedef {"IDLE" | "CREATING" | "READY" | "ENDED" | "ERROR"} SessionState
 * @typedef {import("./control-client.js").Credentials} Credentials
 * @typedef {{
 *   stateChange: SessionState,
 *   connectionChange: import("./media.js").ConnectionState,
 *   speakingStart: undefined,
 *   speakingEnd: undefined,
 *   error: {code: string, message: string},
 * }} AvatarEvents
 */

/**
 * One avatar session: its picture, its sound and its control (reference 4).
 *
 * Has the documented interface of `@unisphere/models-sdk-js`, so that the two are interchangeable,
 * and was written from that documentation alone.
 */
export class KalturaAvatarSession {
  #apiKey;
  #control;
  /** @type {Emitter<AvatarEvents>} */
  #events = new Emitter();
  /** @type {SessionState} */
  #state = "IDLE";
  /** @type {Credentials | null} */
  #credentials = null;
  /** @type {Media | null} */
  #media = null;
  #heartbeat = new Heartbeat(() => this.#keepAlive());

  /**
   * Both known forms: `(apiKey?, config)` and `(config)` (reference 4.2).
   *
   * @param {string | AvatarConfig} [apiKey] A Kaltura Session, needed by `createSession` only.
   * @param {AvatarConfig} [config]
   */
  constructor(apiKey, config) {
    const given = typeof apiKey === "object" ? apiKey : config;
    if (!given?.baseUrl) throw new AvatarError("invalid-argument", "config.baseUrl is required.");
    this.#apiKey = typeof apiKey === "string" ? apiKey : undefined;
    this.#control = new ControlClient(given.baseUrl);
  }

  /**
   * Begins what needs no session, for `initSession` to go on with; the SDK has nothing like it.
   *
   * @returns {PeerOffer} To be closed if no session comes of it.
   */
  static prepare() {
    return new PeerOffer();
  }

  /**
   * Opens a session with the Kaltura Session given to the constructor, and shows it.
   *
   * @param {{avatarId: string, voiceId?: string, videoContainerId?: string}} options
   */
  async createSession({ avatarId, voiceId, videoContainerId }) {
    const apiKey = this.#apiKey;
    if (!apiKey) throw new AvatarError("invalid-argument", "createSession needs an apiKey.");
    await this.#begin(() => this.#control.create(apiKey, { avatarId, voiceId }), containerOf(videoContainerId));
  }

  /**
   * Shows a session that a server opened; resolves when the picture plays.
   *
   * @param {Credentials} credentials
   * @param {{videoContainerId?: string, container?: HTMLElement, prepared?: PeerOffer | null}} [options]
   *   `container` takes the place of an id, which leads to nothing in a shadow root; the SDK knows ids
   *   alone. `prepared` is what `prepare` gave, and this session's from now on.
   */
  async initSession({ sessionId, token }, { videoContainerId, container, prepared } = {}) {
    await this.#begin(async () => ({ sessionId, token }), container ?? containerOf(videoContainerId), prepared);
  }

  /**
   * @template {keyof AvatarEvents} Name
   * @param {Name} event
   * @param {(payload: AvatarEvents[Name]) => void} handler
   */
  on(event, handler) {
    this.#events.on(event, handler);
    return this;
  }

  /**
   * @template {keyof AvatarEvents} Name
   * @param {Name} event
   * @param {(payload: AvatarEvents[Name]) => void} handler
   */
  off(event, handler) {
    this.#events.off(event, handler);
    return this;
  }

  /** @param {string} text */
  async sayText(text) {
    const turnId = `turn-${Date.now()}-${randomId().slice(0, 8)}`;
    const body = JSON.stringify({ text, turnId, isFinal: true });
    await this.#control.call(this.#required(), "say-text", body);
  }

  /**
   * @param {Blob} file
   * @param {string} turnId
   * @param {number} duration Seconds; a wrong one puts the mouth out of step (reference 1.5).
   */
  async sayAudio(file, turnId, duration) {
    const form = new FormData();
    form.set("turnId", turnId);
    form.set("duration", String(duration));
    form.set("audio", file, "audio");
    await this.#control.call(this.#required(), "say-audio", form);
  }

  async interrupt() {
    await this.#control.call(this.#required(), "interrupt");
  }

  /** Ends the session; safe to repeat, and a session that is already gone is no error (D7). */
  async endSession() {
    const credentials = this.#credentials;
    this.#credentials = null;
    // The viewer's place is given back first: once the session has ended it is unknown.
    await this.#finish("ENDED");
    if (!credentials) return;
    try {
      await this.#control.call(credentials, "end", "{}", { keepalive: true });
    } catch (error) {
      if (!(error instanceof ControlError && error.gone)) throw error;
    }
  }

  /** @returns {SessionState} */
  getSessionState() {
    return this.#state;
  }

  /** @returns {import("./media.js").ConnectionState} */
  getConnectionState() {
    return this.#media?.state ?? "DISCONNECTED";
  }

  /**
   * @param {() => Promise<Credentials>} obtain
   * @param {HTMLElement | null} container
   * @param {PeerOffer | null} [prepared]
   */
  async #begin(obtain, container, prepared) {
    if (this.#state !== "IDLE") throw new AvatarError("invalid-state", "This session has begun before.");
    this.#become("CREATING");
    try {
      const credentials = await obtain();
      this.#credentials = credentials;
      if (this.getSessionState() === "ENDED") await this.endSession();
      const media = this.#attach(await this.#control.initClient(credentials), container, prepared);
      this.#heartbeat.start();
      await media.open();
      this.#become("READY");
    } catch (error) {
      this.#fail(toAvatarError(error));
      if (!this.#media) prepared?.close();
      throw toAvatarError(error);
    }
  }

  /**
   * @param {import("./media.js").MediaAddress} address
   * @param {HTMLElement | null} container
   * @param {PeerOffer | null} [prepared]
   */
  #attach(address, container, prepared) {
    if (this.#state === "ENDED") throw new AvatarError("aborted", "The session was ended meanwhile.");
    const media = new Media(address, this.#control.baseUrl, container, prepared);
    media.on("connection", (state) => this.#events.emit("connectionChange", state));
    media.on("speaking", (on) => this.#events.emit(on ? "speakingStart" : "speakingEnd", undefined));
    media.on("error", (error) => this.#fail(error));
    // The next page may want to watch: the viewer's place is given back, and nothing is ended.
    addEventListener("pagehide", () => void this.#finish("ENDED"), { once: true });
    this.#media = media;
    return media;
  }

  async #keepAlive() {
    try {
      if (this.#credentials) await this.#control.call(this.#credentials, "keep-alive");
    } catch (error) {
      // Anything else is a bad moment of the network, and the next beat will tell (D10).
      if (error instanceof ControlError && error.gone) void this.#finish("ENDED");
    }
  }

  #required() {
    if (this.#credentials) return this.#credentials;
    throw new AvatarError("invalid-state", "There is no session: call initSession first.");
  }

  /** @param {AvatarError} error */
  #fail({ code, message }) {
    if (this.#state === "ENDED") return;
    this.#events.emit("error", { code, message });
    // Asking for the stream again and being told 404 is how a player learns of the end (reference 3).
    void this.#finish(code === "session-not-found" ? "ENDED" : "ERROR");
  }

  /** @param {"ENDED" | "ERROR"} state */
  async #finish(state) {
    this.#heartbeat.stop();
    this.#become(state);
    await this.#media?.close();
  }

  // ENDED is final; after ERROR only the end can come.
  /** @param {SessionState} state */
  #become(state) {
    if (this.#state === state || this.#state === "ENDED") return;
    this.#state = state;
    this.#events.emit("stateChange", state);
  }
}

/** @param {string | undefined} id */
function containerOf(id) {
  return id ? document.getElementById(id) : null;
}
