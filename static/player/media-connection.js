import { AvatarError } from "./errors.js";
import { iceServers, withoutTransport } from "./ice-servers.js";
import { allowedMediaUrl, isLoopback } from "./media-hosts.js";
import { PeerOffer } from "./peer-offer.js";
import { subscribe, unsubscribe } from "./whep.js";

const CONNECT_MS = 15_000;
const DISCONNECTED_MS = 3000;

/** @typedef {"good" | "wavering" | "lost"} ConnectionHealth "lost" is told once, and last. */

/**
 * One viewing of one stream over WHEP, from the offer to the DELETE (reference 3).
 *
 * `stream` holds both tracks: they arrive in two events whose own streams may differ.
 */
export class MediaConnection {
  stream = new MediaStream();
  #url;
  #baseUrl;
  #offer;
  #peer;
  #onHealth;
  /** @type {URL | null} */
  #viewerUrl = null;
  #closed = new AbortController();

  /**
   * @param {{whepUrl: string, turn: import("./ice-servers.js").Turn | null}} media
   * @param {string} baseUrl The Control API's, which decides what addresses are trusted.
   * @param {(health: ConnectionHealth) => void} onHealth Told how a connection fares once it is open.
   * @param {PeerOffer | null} [prepared] Used where no relay is needed; it is this one's to close.
   */
  constructor({ whepUrl, turn }, baseUrl, onHealth, prepared = null) {
    this.#url = allowedMediaUrl(whepUrl, baseUrl);
    this.#baseUrl = baseUrl;
    this.#onHealth = onHealth;
    this.#offer = createOffer(iceServers(turn), this.#url, prepared);
    this.#peer = this.#offer.peer;
    this.#peer.ontrack = ({ track }) => this.stream.addTrack(track);
  }

  /** Resolves when media can flow. */
  async open() {
    const { signal } = this.#closed;
    const offer = await this.#offer.sdp();
    signal.throwIfAborted();
    const { answer, viewerUrl } = await subscribe(this.#url, offer, { signal });
    this.#viewerUrl = this.#allowed(viewerUrl);
    await this.#peer.setRemoteDescription({ type: "answer", sdp: answer });
    await connected(this.#peer, signal);
    this.#watch();
  }

  /** Gives everything back; safe to repeat, and at any moment. */
  async close() {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    for (const track of this.stream.getTracks()) track.stop();
    // Before the peer is closed, or the server notices that first and no longer knows the viewer.
    if (this.#viewerUrl) await unsubscribe(this.#viewerUrl);
    // Closing inside the peer's own event handler hangs Chromium's renderer (reference 3).
    setTimeout(() => this.#offer.close());
  }

  /** @param {URL | null} viewerUrl */
  #allowed(viewerUrl) {
    try {
      return viewerUrl && allowedMediaUrl(viewerUrl.href, this.#baseUrl);
    } catch {
      return null;
    }
  }

  // A connection may recover by itself, so it is given a moment.
  #watch() {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let patience;
    this.#peer.oniceconnectionstatechange = () => {
      clearTimeout(patience);
      const state = this.#peer.iceConnectionState;
      if (state === "connected" || state === "completed") this.#tell("good");
      if (state === "disconnected") {
        this.#tell("wavering");
        patience = setTimeout(() => this.#tell("lost"), DISCONNECTED_MS);
      }
      if (state === "failed" || state === "closed") this.#tell("lost");
    };
  }

  /** @param {ConnectionHealth} health */
  #tell(health) {
    if (health === "lost") this.#peer.oniceconnectionstatechange = null;
    if (!this.#closed.signal.aborted) this.#onHealth(health);
  }
}

/**
 * An offer that goes through the relay when there is one: the media hosts want it so (reference 3).
 *
 * @param {RTCIceServer[]} servers
 * @param {URL} url
 * @param {PeerOffer | null} prepared
 */
function createOffer(servers, url, prepared) {
  if (prepared && servers.length === 0) return prepared;
  prepared?.close();
  const firefox = /\bFirefox\//.test(navigator.userAgent);
  const relay = servers.length > 0 && !isLoopback(url.hostname) && !firefox;
  /** @param {RTCIceServer[]} given */
  const offerWith = (given) =>
    new PeerOffer({ iceServers: given, iceTransportPolicy: relay ? "relay" : "all" });
  try {
    return offerWith(servers);
  } catch {
    return offerWith(withoutTransport(servers));
  }
}

/**
 * Resolves when ICE has found a way, and rejects when it has not.
 *
 * @param {RTCPeerConnection} peer
 * @param {AbortSignal} signal
 */
function connected(peer, signal) {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const fail = () =>
      reject(new AvatarError("ice-failed", "The network lets no picture and sound through."));
    const check = () => {
      if (["connected", "completed"].includes(peer.iceConnectionState)) resolve(undefined);
      if (peer.iceConnectionState === "failed") fail();
    };
    peer.addEventListener("iceconnectionstatechange", check);
    signal.addEventListener("abort", () => reject(signal.reason));
    setTimeout(fail, CONNECT_MS);
    check();
  });
}
