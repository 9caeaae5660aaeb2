/** Replacements for functions that some supported browsers lack, such as Safari 16. */

/** Whether this browser can show live video at all; some have WebRTC switched off. */
export function hasWebRtc() {
  return typeof globalThis.RTCPeerConnection === "function";
}

/**
 * A signal that aborts after so long, or as soon as another does (`AbortSignal.any`).
 *
 * @param {number} ms
 * @param {AbortSignal | null} [signal]
 * @returns {AbortSignal}
 */
export function deadline(ms, signal) {
  const late = AbortSignal.timeout(ms);
  if (!signal) return late;
  const either = new AbortController();
  for (const one of [signal, late]) {
    const abort = () => either.abort(one.reason);
    if (one.aborted) abort();
    // Dropped with the other one's: a signal may see many calls come and go.
    else one.addEventListener("abort", abort, { once: true, signal: either.signal });
  }
  return either.signal;
}

/**
 * An address, or null when it is none (`URL.canParse`).
 *
 * @param {string} address
 * @param {URL | string} [base]
 * @returns {URL | null}
 */
export function parsedUrl(address, base) {
  try {
    return new URL(address, base);
  } catch {
    return null;
  }
}

/**
 * Whether the body of a request may be written bit by bit.
 *
 * Browsers do it over HTTP/2 only, and a page can't know by which version it will be connected.
 */
export function canStreamRequests() {
  if ("document" in globalThis || "importScripts" in globalThis) return false;
  let isStreamed = false;
  const body = new ReadableStream();
  const asked = {
    method: "POST",
    body,
    get duplex() {
      isStreamed = true;
      return "half";
    },
  };
  // A browser that takes the stream for a text sets the type of a text.
  return !new Request("http://localhost", asked).headers.has("Content-Type") && isStreamed;
}
