/**
 * How init-client names its relay; `url` may be a bare host, an ICE URL, or several (D15).
 *
 * @typedef {import("../../types/broker-api").Turn} Turn
 */

// A scheme or none, a name or an address or an IPv6 address in brackets, a port and a query.
const ENTRY =
  /^(?<scheme>(?:turn|stun)s?:)?(?:\/\/)?(?<host>\[[^\]]*\]|[^:?/]*)(?<rest>.*)$/;

/**
 * The four addresses at which a TURN host answers (reference 3).
 *
 * @param {string} host
 */
const addressesOf = (host) => [
  `turn:${host}:80?transport=udp`,
  `turn:${host}:443?transport=udp`,
  `turn:${host}:80?transport=tcp`,
  `turns:${host}:443?transport=tcp`,
];

/**
 * ICE URLs for one entry: usable ones as they are, a host without a port as four.
 *
 * A `turn:host` without a port yields no relay candidate and so silence (reference 3).
 *
 * @param {string} entry
 * @returns {string[]}
 */
export function expandTurnUrl(entry) {
  const { scheme = "", host = "", rest = "" } = ENTRY.exec(entry.trim())?.groups ?? {};
  if (!host) return [];
  if (scheme.startsWith("stun")) return [`${scheme}${host}${rest}`];
  const hasPort = /^:\d+/.test(rest);
  if (!hasPort) return addressesOf(host);
  return [`${scheme || "turn:"}${host}${rest.replace(/\/$/, "")}`];
}

/**
 * What an `RTCPeerConnection` wants to be given.
 *
 * @param {Turn | null | undefined} turn
 * @returns {RTCIceServer[]}
 */
export function iceServers(turn) {
  const urls = [turn?.url ?? []].flat().flatMap(expandTurnUrl);
  if (urls.length === 0) return [];
  const { username, credential } = turn ?? {};
  return [{ urls, ...(username && { username }), ...(credential && { credential }) }];
}

/**
 * The same servers for WebKit, which may refuse `?transport=` (reference 3); only plain TCP is lost.
 *
 * @param {RTCIceServer[]} servers
 * @returns {RTCIceServer[]}
 */
export function withoutTransport(servers) {
  return servers.map((server) => ({
    ...server,
    urls: [...new Set([server.urls].flat().map((url) => url.replace(/\?.*$/, "")))],
  }));
}
