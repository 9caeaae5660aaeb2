const CAP_MS = 1000;
const MORE_MS = 100;

/**
 * Resolves when the offer may be sent, as there is no trickle afterwards: when every candidate is
 * known, or soon after the first usable one, or when the time is up.
 *
 * A relay that is asked at four addresses answers at the first within milliseconds and may be
 * silent at the others for a second. Where there is a relay, it is the usable candidate: without
 * it a visitor behind a strict firewall would be left without a way.
 *
 * @param {Pick<RTCPeerConnection, "iceGatheringState" | "getConfiguration" | "addEventListener">} peer
 * @param {{capMs?: number, moreMs?: number}} [times]
 * @returns {Promise<void>}
 */
export function gatheringComplete(peer, { capMs = CAP_MS, moreMs = MORE_MS } = {}) {
  const usable = hasRelay(peer.getConfiguration().iceServers ?? []) ? ["relay"] : ["host", "srflx"];
  return new Promise((resolve) => {
    const done = () => peer.iceGatheringState === "complete" && resolve();
    peer.addEventListener("icegatheringstatechange", done);
    peer.addEventListener("icecandidate", ({ candidate }) => {
      if (usable.includes(candidate?.type ?? "")) setTimeout(resolve, moreMs);
    });
    setTimeout(resolve, capMs);
    done();
  });
}

/** @param {RTCIceServer[]} servers */
function hasRelay(servers) {
  return servers.some(({ urls }) => [urls].flat().some((url) => url.startsWith("turn")));
}
