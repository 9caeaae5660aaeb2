import { Problem } from "../broker/problems.js";
import { hasWebRtc } from "../browser-compat.js";

const LOAD_MS = 8000;

/**
 * @typedef {{close(): void}} Prepared What a session can go on with, or else is to be closed.
 * @typedef {typeof import("@unisphere/models-sdk-js").KalturaAvatarSession & {prepare?(): Prepared}}
 *   AvatarClass `prepare` is the bundled player's own.
 * @typedef {{KalturaAvatarSession: AvatarClass, name: string, replaced: boolean}} Player
 */

/**
 * Loads the class that shows avatars: what the import map names, or else the bundled player.
 *
 * Rejects where no player could show one, so that nobody opens a session to find that out.
 *
 * @param {{player: "builtin" | "sdk", builtinPlayerUrl: string}} config
 * @param {() => Promise<{KalturaAvatarSession: AvatarClass}>} [wantedModule] Imports it where there is no import map.
 * @returns {Promise<Player>}
 */
export async function loadPlayer({ player, builtinPlayerUrl }, wantedModule = () => import("@unisphere/models-sdk-js")) {
  if (!hasWebRtc()) throw new Problem("no-webrtc", { detail: "WebRTC is missing or switched off in it." });
  const wanted = player === "sdk" ? "Kaltura's SDK" : "bundled player";
  try {
    const { KalturaAvatarSession } = await inTime(wantedModule(), LOAD_MS);
    if (!KalturaAvatarSession) throw new Problem("player-failed");
    return { KalturaAvatarSession, name: wanted, replaced: false };
  } catch {
    const { KalturaAvatarSession } = await import(builtinPlayerUrl).catch(() => {
      throw new Problem("player-failed", { detail: "Neither the SDK nor the bundled player came." });
    });
    return { KalturaAvatarSession, name: "bundled player", replaced: player === "sdk" };
  }
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {number} ms
 * @returns {Promise<T>}
 */
function inTime(promise, ms) {
  return new Promise((resolve, reject) => {
    setTimeout(reject, ms, new Problem("player-failed"));
    promise.then(resolve, reject);
  });
}
