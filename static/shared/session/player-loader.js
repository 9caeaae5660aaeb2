import { Problem } from "../broker/problems.js";
import { hasWebRtc } from "../browser-compat.js";

const LOAD_MS = 8000;

/** The names of the players for developers. */
export const PLAYER_NAMES = { sdk: "Kaltura's SDK", builtin: "bundled player" };

/**
 * @typedef {{close(): void}} Prepared Work begun for the next session, to be closed if none comes.
 * @typedef {typeof import("@unisphere/models-sdk-js").KalturaAvatarSession & {prepare?(): Prepared}}
 *   AvatarClass `prepare` is the bundled player's own.
 * @typedef {() => Promise<{KalturaAvatarSession: AvatarClass}>} ImportPlayer
 * @typedef {{KalturaAvatarSession: AvatarClass, kind: "builtin" | "sdk"}} Player
 */

/**
 * Loads the class that shows avatars: the wanted one, or else the bundled player's.
 *
 * Rejects where no player could show one, so that nobody opens a session to find that out.
 *
 * @param {{player: "builtin" | "sdk", builtinPlayerUrl: string}} config `player` is the wanted one.
 * @param {ImportPlayer} importWanted
 * @returns {Promise<Player>}
 */
export async function loadPlayer({ player, builtinPlayerUrl }, importWanted) {
  if (!hasWebRtc()) throw new Problem("no-webrtc", { detail: "WebRTC is missing or switched off in it." });
  try {
    const { KalturaAvatarSession } = await inTime(importWanted(), LOAD_MS);
    if (!KalturaAvatarSession) throw new Problem("player-failed");
    return { KalturaAvatarSession, kind: player };
  } catch {
    const { KalturaAvatarSession } = await import(builtinPlayerUrl).catch(() => {
      throw new Problem("player-failed", { detail: "Neither the SDK nor the bundled player came." });
    });
    return { KalturaAvatarSession, kind: "builtin" };
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
