import { gatheringComplete } from "./ice-gathering.js";

/**
 * A peer that wants to see and hear, and its offer, which is being made from the beginning.
 *
 * Which session it is for need not be known yet, so it can be under way while one is opened.
 */
export class PeerOffer {
  peer;
  #gathered;

  /** @param {RTCConfiguration} [configuration] None: its own addresses are enough. */
  constructor(configuration = {}) {
    this.peer = new RTCPeerConnection({ ...configuration, bundlePolicy: "max-bundle" });
    this.peer.addTransceiver("video", { direction: "recvonly" });
    this.peer.addTransceiver("audio", { direction: "recvonly" });
    this.#gathered = this.#gather();
    // `sdp` rejects with it, but may never be called.
    this.#gathered.catch(() => {});
  }

  /** @returns {Promise<string>} SDP with every address that came in time. */
  async sdp() {
    await this.#gathered;
    return this.peer.localDescription?.sdp ?? "";
  }

  /** Safe to repeat. */
  close() {
    this.peer.close();
  }

  async #gather() {
    await this.peer.setLocalDescription();
    await gatheringComplete(this.peer);
  }
}
