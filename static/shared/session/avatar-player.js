import { Problem } from "../broker/problems.js";
import { Emitter } from "../emitter.js";

const PICTURE_MS = 25_000;

/**
 * @typedef {InstanceType<import("./player-loader.js").AvatarClass>} SdkSession
 * @typedef {import("../broker/broker-api.js").OpenedSession} OpenedSession
 * @typedef {{containerId: string, element?: HTMLElement, clear(): void, playable(): Promise<void>}} AvatarContainer
 *   Where the avatar is shown; `element` is for players that take one in place of its id.
 * @typedef {{
 *   ready(): Promise<unknown>,
 *   prepare?(): Promise<import("./player-loader.js").Prepared | undefined>,
 *   playerOf(opened: OpenedSession, prepared: import("./player-loader.js").Prepared | null): Promise<AvatarPlayer>,
 *   container: Pick<AvatarContainer, "clear" | "playable">,
 * }} AvatarDisplay What shows sessions: none is opened before it is ready. `prepare` begins what
 *   needs no session.
 */

/**
 * Shows one session by the SDK, and tells when the avatar speaks, is in trouble or is lost.
 *
 * Needs nothing of the SDK but what is documented, and little of that to happen: READY may never
 * come, states may have any letter case, and endSession may reject (reference 4.4).
 *
 * @extends {Emitter<{speaking: boolean, trouble: Problem | null, lost: Problem}>}
 */
export class AvatarPlayer extends Emitter {
  #begin;
  #end;
  #shown = false;
  #closed = false;
  /** @type {Problem | null} */
  #trouble = null;
  /** @type {Promise<void>} Resolves when the avatar says that it is there. */
  #present;

  /**
   * @param {SdkSession} session
   * @param {() => Promise<unknown>} begin Has the SDK show the session.
   * @param {() => Promise<unknown>} [end]
   */
  constructor(session, begin, end = () => session.endSession()) {
    super();
    this.#begin = begin;
    this.#end = end;
    session.on("speakingStart", () => this.#tell("speaking", true));
    session.on("speakingEnd", () => this.#tell("speaking", false));
    session.on("error", (error) => {
      this.#trouble = Problem.fromPlayer(error);
      if (this.#shown) this.#tell("trouble", this.#trouble);
    });
    this.#present = new Promise((resolve) => {
      session.on("stateChange", (state) => this.#become(state, resolve));
      session.on("connectionChange", (state) => this.#become(state, resolve));
    });
  }

  /**
   * Resolves when the avatar can be seen; rejects with the SDK's error, or a `Problem`.
   *
   * @param {AvatarDisplay["container"]} container
   */
  async show(container) {
    container.clear();
    const begun = this.#begin();
    // Some versions resolve before they are connected, so both are waited for.
    await Promise.race([Promise.all([begun, this.#present]), pictureDeadline()]);
    await container.playable();
    this.#shown = true;
  }

  /** Stops telling, without `endSession`, which would end the session. */
  abandon() {
    this.#closed = true;
  }

  /** Stops telling, and ends the session by the SDK; never rejects. */
  async close() {
    this.abandon();
    try {
      await this.#end();
    } catch {
      // The page ends the session itself too, so there is nothing left to mend.
    }
  }

  /**
   * @param {string} state Of the session or of its connection: the words are all different.
   * @param {() => void} present
   */
  #become(state, present) {
    const now = String(state).toUpperCase();
    if (["READY", "CONNECTED"].includes(now)) present();
    if (!this.#shown) return;
    if (now === "CONNECTED") this.#tell("trouble", null);
    if (["DISCONNECTED", "CONNECTING"].includes(now)) this.#tell("trouble", reconnecting());
    if (["ENDED", "ERROR", "FAILED"].includes(now)) this.#tell("lost", this.#trouble ?? lost());
  }

  /**
   * @template {"speaking" | "trouble" | "lost"} Name
   * @param {Name} event
   * @param {any} payload
   */
  #tell(event, payload) {
    if (!this.#closed) this.emit(event, payload);
  }
}

/**
 * Shows sessions in a container, by a player that may still have to be loaded.
 *
 * @param {() => Promise<import("./player-loader.js").Player>} load
 * @param {AvatarContainer} container
 * @returns {AvatarDisplay}
 */
export function displayIn(load, container) {
  return {
    container,
    ready: load,
    prepare: async () => (await load()).KalturaAvatarSession.prepare?.(),
    async playerOf({ sessionId, token, baseUrl }, prepared) {
      const { KalturaAvatarSession } = await load();
      const session = new KalturaAvatarSession(undefined, { baseUrl });
      const { containerId, element } = container;
      const options = { videoContainerId: containerId, ...(element && { container: element }), ...(prepared && { prepared }) };
      return new AvatarPlayer(session, () => session.initSession({ sessionId, token }, options));
    },
  };
}

/** @returns {Promise<never>} */
function pictureDeadline() {
  const problem = new Problem("media-timeout", { detail: "The avatar's picture took too long." });
  return new Promise((_, reject) => setTimeout(reject, PICTURE_MS, problem));
}

function reconnecting() {
  return new Problem("reconnecting", {
    detail: "The picture was lost for a moment and is being fetched again.",
  });
}

function lost() {
  return new Problem("ice-failed", { detail: "The connection to the avatar was lost." });
}
