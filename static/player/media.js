import { Emitter } from "../shared/emitter.js";
import { toAvatarError } from "./errors.js";
import { MediaConnection } from "./media-connection.js";
import { SpeakingDetector } from "./speaking-detector.js";
import { VideoView } from "./video-view.js";

/**
 * @typedef {"DISCONNECTED" | "CONNECTING" | "CONNECTED" | "FAILED" | "CLOSED"} ConnectionState
 * @typedef {{whepUrl: string, turn: import("./ice-servers.js").Turn | null}} MediaAddress
 */

/**
 * Picture and sound of a session, connected again once each time they are lost.
 *
 * @extends {Emitter<{connection: ConnectionState, speaking: boolean, error: import("./errors.js").AvatarError}>}
 */
export class Media extends Emitter {
  /** @type {ConnectionState} */
  state = "DISCONNECTED";
  #address;
  #baseUrl;
  #screen;
  #prepared;
  /** @type {MediaConnection | null} */
  #connection = null;
  /** @type {SpeakingDetector | null} */
  #detector = null;
  #speaking = false;

  /**
   * @param {MediaAddress} address
   * @param {string} baseUrl
   * @param {HTMLElement | null} container
   * @param {import("./peer-offer.js").PeerOffer | null} [prepared] For the first connection.
   */
  constructor(address, baseUrl, container, prepared = null) {
    super();
    this.#prepared = prepared;
    this.#address = address;
    this.#baseUrl = baseUrl;
    this.#screen = new VideoView(container);
  }

  /** Resolves when the picture plays; rejects with an `AvatarError`. */
  async open() {
    this.#become("CONNECTING");
    try {
      const onHealth = (/** @type {import("./media-connection.js").ConnectionHealth} */ health) => this.#fare(health);
      const connection = new MediaConnection(this.#address, this.#baseUrl, onHealth, this.#prepared);
      this.#prepared = null;
      this.#connection = connection;
      await connection.open();
      this.#become("CONNECTED");
      await this.#screen.show(connection.stream);
      this.#listen(connection.stream);
    } catch (error) {
      await this.#drop();
      this.#become("FAILED");
      throw toAvatarError(error);
    }
  }

  async close() {
    this.#become("CLOSED");
    await this.#drop();
    this.#screen.remove();
  }

  /** @param {import("./media-connection.js").ConnectionHealth} health */
  #fare(health) {
    this.#become(health === "good" ? "CONNECTED" : "DISCONNECTED");
    if (health === "lost") void this.#reconnect();
  }

  async #reconnect() {
    await this.#drop();
    if (this.state !== "CLOSED") await this.open().catch((error) => this.emit("error", error));
  }

  async #drop() {
    this.#speak(false);
    const [detector, connection] = [this.#detector, this.#connection];
    [this.#detector, this.#connection] = [null, null];
    this.#prepared?.close();
    this.#prepared = null;
    await Promise.all([detector?.close(), connection?.close()]);
  }

  /** @param {MediaStream} stream */
  #listen(stream) {
    if (this.state !== "CONNECTED" || stream.getAudioTracks().length === 0) return;
    this.#detector = new SpeakingDetector(stream, (speaking) => this.#speak(speaking));
  }

  /** @param {boolean} speaking */
  #speak(speaking) {
    if (this.#speaking === speaking) return;
    this.#speaking = speaking;
    this.emit("speaking", speaking);
  }

  // What was closed stays closed, whatever a connection on its way out still reports.
  /** @param {ConnectionState} state */
  #become(state) {
    if (this.state === state || this.state === "CLOSED") return;
    this.state = state;
    this.emit("connection", state);
  }
}
