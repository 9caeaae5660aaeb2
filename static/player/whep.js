import { deadline, parsedUrl } from "../shared/browser-compat.js";
import { AvatarError, toAvatarError } from "./errors.js";

const TRY_MS = 5000;
const TRIES = 3;
const PAUSE_MS = 1000;
const TEARDOWN_MS = 3000;

/** @type {Record<number, [string, string]>} Reference 3, "Status codes". */
const REFUSALS = {
  404: ["session-not-found", "The session has ended or expired, so there is no picture to show."],
  409: ["viewer-taken", "This session is already being watched, perhaps in another tab."],
  415: ["unsupported-media-type", "The media server did not understand the player's offer."],
};

/**
 * Asks for the stream and returns the answer and the address of this viewer, if it was told.
 *
 * Repeated only when no answer came (three tries of 5 s, 1 s apart), never for a status
 * (reference 3). A try without an answer may have taken the viewer's place: a 409 after it tells
 * nothing of other viewers, so the error is that no answer came.
 *
 * @param {URL} url
 * @param {string} offer SDP
 * @param {{signal?: AbortSignal, fetch?: typeof globalThis.fetch, pauseMs?: number}} [options]
 * @returns {Promise<{answer: string, viewerUrl: URL | null}>}
 */
export async function subscribe(url, offer, options = {}) {
  const { signal, fetch = globalThis.fetch, pauseMs = PAUSE_MS } = options;
  /** @type {unknown} */
  let unanswered;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/sdp" },
        body: offer,
        credentials: "omit",
        signal: deadline(TRY_MS, signal),
      });
      if (response.status === 409 && unanswered) throw toAvatarError(unanswered);
      if (!response.ok) throw refusal(response.status);
      const viewerUrl = resolveViewerUrl(response.headers.get("Location"), url);
      return { answer: await response.text(), viewerUrl };
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof AvatarError) throw error;
      if (attempt === TRIES) throw toAvatarError(error);
      unanswered = error;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}

/**
 * Gives the viewer's place back: at most 3 s, and also while the page closes.
 *
 * Best effort: the session's own end frees the place too, so a failure is no one's news.
 *
 * @param {URL} viewerUrl
 * @param {{fetch?: typeof globalThis.fetch}} [options]
 */
export async function unsubscribe(viewerUrl, { fetch = globalThis.fetch } = {}) {
  const signal = AbortSignal.timeout(TEARDOWN_MS);
  await fetch(viewerUrl, { method: "DELETE", keepalive: true, credentials: "omit", signal }).catch(() => {});
}

/**
 * The viewer's own address out of a `Location` header.
 *
 * A path from the media server's root lacks the prefix of the proxy before it, so the viewer's
 * part is put after the address that was called (reference 3, "Location").
 *
 * @param {string | null} location
 * @param {URL} postedUrl
 * @returns {URL | null} null when there is none: CORS may hide the header.
 */
export function resolveViewerUrl(location, postedUrl) {
  if (!location) return null;
  const viewer = /^\/whep\/session\/[^/]+(\/viewer\/.+)$/.exec(location)?.[1];
  if (viewer) return new URL(postedUrl.origin + postedUrl.pathname.replace(/\/$/, "") + viewer);
  return parsedUrl(location, postedUrl);
}

/** @param {number} status */
function refusal(status) {
  const [code, message] = REFUSALS[status] ?? [
    "media-refused",
    `The media server refused to send the picture (status ${status}).`,
  ];
  return new AvatarError(code, message);
}
