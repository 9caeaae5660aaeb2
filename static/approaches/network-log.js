import { displayAddress } from "../shared/network-calls.js";

/**
 * Is told of the calls that begin now, and of the session that one of them opens.
 *
 * @typedef {{
 *   called(call: import("../shared/network-calls.js").NetworkCall): void,
 *   opened(session: import("./approach-api.js").SeenSession): void,
 * }} Watcher
 */

/**
 * Reports every call of `fetch` on this page with its method, which the browser's own record lacks.
 *
 * A call belongs to the watcher of the time when it began, however late it is answered.
 *
 * @param {() => Watcher | null} watching
 * @param {{fetch: typeof globalThis.fetch}} scope Whose `fetch` is replaced.
 */
export function watchFetch(watching, scope = globalThis) {
  const fetch = scope.fetch.bind(globalThis);
  scope.fetch = async (input, init) => {
    const watcher = watching();
    const { method, url } = target(input, init);
    const began = performance.now();
    /** @type {Response | null} */
    let response = null;
    try {
      response = await fetch(input, init);
      if (opensSession(url, response)) await tellOpened(response.clone(), watcher);
      return response;
    } finally {
      watcher?.called({
        by: url.pathname.startsWith("/api/") ? "page" : "player",
        method,
        path: displayAddress(url),
        status: response?.status ?? null,
        ms: Math.round(performance.now() - began),
        requestId: response?.headers.get("X-Request-ID") ?? "",
      });
    }
  };
}

/**
 * Reports the session that an answer opens; an answer that cannot be read is the caller's to notice.
 *
 * @param {Response} response
 * @param {Watcher | null} watcher
 */
async function tellOpened(response, watcher) {
  const opened = await response.json().catch(() => null);
  if (opened?.sessionId && opened.token) watcher?.opened(opened);
}

/**
 * @param {RequestInfo | URL} input
 * @param {RequestInit} [init]
 */
function target(input, init) {
  const request = input instanceof Request ? input : null;
  const method = (init?.method ?? request?.method ?? "GET").toUpperCase();
  return { method, url: new URL(request?.url ?? String(input), location.href) };
}

/**
 * @param {URL} url
 * @param {Response} response
 */
function opensSession({ origin, pathname }, response) {
  const creates = ["/api/create-avatar-session", "/v1/avatar-session/create", "/v1/avatar-session"];
  return response.ok && origin === location.origin && creates.includes(pathname);
}
