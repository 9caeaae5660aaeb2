/**
 * One call as a developer sees it; `status` null: there was no answer, or none that may be seen.
 *
 * @typedef {{by: "page" | "player", method: string, path: string, status: number | null, ms: number, requestId: string}} NetworkCall
 */

/**
 * Is told of the calls that begin now, and of the session that one of them opens or resumes.
 *
 * @typedef {{
 *   called(call: NetworkCall): void,
 *   opened(session: import("../../../types/broker-api.js").CreatedSession): void,
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
 * Reports the calls of a player that uses XMLHttpRequest.
 *
 * The browser's own record says where a call went and how it was answered, but not its method.
 *
 * @param {(call: NetworkCall) => void} onCall
 */
export function watchXhr(onCall) {
  new PerformanceObserver((list) => {
    for (const entry of /** @type {PerformanceResourceTiming[]} */ (list.getEntries())) {
      if (entry.initiatorType !== "xmlhttprequest") continue;
      onCall({
        by: "player",
        method: "",
        path: displayAddress(new URL(entry.name)),
        status: entry.responseStatus || null,
        ms: Math.round(entry.duration),
        requestId: "",
      });
    }
  }).observe({ type: "resource" });
}

/**
 * An address as it may be shown: long parts are left out, as they name a stream, and anyone who knows it may
 * watch it (reference 1.3).
 *
 * @param {URL} url
 */
export function displayAddress({ origin, pathname }) {
  return (origin === location.origin ? "" : origin) + pathname.replace(/[^/]{25,}/g, "…");
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
  const opens = /^\/(api\/create-avatar-session|api\/avatar-sessions\/[^/]+\/resume|v1\/avatar-session(\/create)?)$/;
  return response.ok && origin === location.origin && opens.test(pathname);
}
