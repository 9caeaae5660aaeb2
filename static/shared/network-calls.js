/**
 * One call as a developer sees it; `status` null: there was no answer, or none that may be seen.
 *
 * @typedef {{by: "page" | "player", method: string, path: string, status: number | null, ms: number, requestId: string}} NetworkCall
 */

/**
 * Observes the calls that any player makes by itself.
 *
 * The browser's own record says where a call went and how it was answered, but not its method;
 * the page's own calls are left out, since `BrokerApi` tells more of them.
 *
 * @param {(call: NetworkCall) => void} onCall
 * @param {"fetch" | "xmlhttprequest"} how By what the player calls.
 */
export function watchPlayerCalls(onCall, how = "fetch") {
  new PerformanceObserver((list) => {
    for (const entry of /** @type {PerformanceResourceTiming[]} */ (list.getEntries())) {
      const url = new URL(entry.name);
      const own = url.origin === location.origin && url.pathname.startsWith("/api/");
      if (entry.initiatorType !== how || own) continue;
      onCall({
        by: "player",
        method: "",
        path: displayAddress(url),
        status: entry.responseStatus || null,
        ms: Math.round(entry.duration),
        requestId: "",
      });
    }
  }).observe({ type: "resource" });
}

/**
 * An address as it may be shown: long parts are what names a stream, and whoever knows that may
 * watch it (reference 1.3).
 *
 * @param {URL} url
 */
export function displayAddress({ origin, pathname }) {
  return (origin === location.origin ? "" : origin) + pathname.replace(/[^/]{25,}/g, "…");
}
