import { AvatarError } from "./errors.js";
import { gatheringComplete } from "./ice-gathering.js";
import { iceServers, withoutTransport } from "./ice-servers.js";
import { allowedMediaUrl, isLoopback } from "./media-hosts.js";
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
  #peer;
  #onHealth;
  /** @type {URL | null} */
  #viewerUrl = null;
  #closed = new AbortController();

  /**
   * @param {{whepUrl: string, turn: import("./ice-servers.js").Turn | null}} media
   * @param {string} baseUrl The Control API's, which decides what addresses are trusted.
   * @param {(health: ConnectionHealth) => void} onHealth Told how a connection fares once it is open.
   */
  constructor({ whepUrl, turn }, baseUrl, onHealth) {
    this.#url = allowedMediaUrl(whepUrl, baseUrl);
    this.#baseUrl = baseUrl;
    this.#onHealth = onHealth;
    this.#peer = createPeer(turn, this.#url);
    this.#peer.addTransceiver("video", { direction: "recvonly" });
    this.#peer.addTransceiver("audio", { direction: "recvonly" });
    this.#peer.ontrack = ({ track }) => this.stream.addTrack(track);
  }

  /** Resolves when media can flow. */
  async open() {
    const { signal } = this.#closed;
    await this.#peer.setLocalDescription();
    await gatheringComplete(this.#peer);
    signal.throwIfAborted();
    const offer = this.#peer.localDescription?.sdp ?? "";
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
    setTimeout(() => this.#peer.close());
  }

  /** @param {URL | null} viewerUrl */
  #allowed(viewerUrl) {
    try {
      return viewerUrl && allowedMediaUrl(viewerUrl.href, this.#baseUrl);
    } catch {
      return null;
    }
  }

  // A connection may find its way again by itself, so it is given a moment.
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
 * A peer that goes through the relay when there is one: the media hosts want it so (reference 3).
 *
 * @param {import("./ice-servers.js").Turn | null} turn
 * @param {URL} url
 */
function createPeer(turn, url) {
  const servers = iceServers(turn);
  const firefox = /\bFirefox\//.test(navigator.userAgent);
  const relay = servers.length > 0 && !isLoopback(url.hostname) && !firefox;
  /** @param {RTCIceServer[]} given */
  const peerWith = (given) =>
    new RTCPeerConnection({
      iceServers: given,
      iceTransportPolicy: relay ? "relay" : "all",
      bundlePolicy: "max-bundle",
    });
  try {
    return peerWith(servers);
  } catch {
    return peerWith(withoutTransport(servers));
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
