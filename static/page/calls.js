/**
 * One call as a developer sees it; `status` null: there was no answer, or none that may be seen.
 *
 * @typedef {{by: "page" | "player", method: string, path: string, status: number | null, ms: number, requestId: string}} Call
 */

/**
 * Tells of the calls that the player makes by itself, whichever player it is.
 *
 * The browser's own record says where a call went and how it was answered, but not its method;
 * the page's own calls are left out, since `Api` tells more of them.
 *
 * @param {(call: Call) => void} onCall
 */
export function watchPlayerCalls(onCall) {
  new PerformanceObserver((list) => {
    for (const entry of /** @type {PerformanceResourceTiming[]} */ (list.getEntries())) {
      const { origin, pathname } = new URL(entry.name);
      const here = origin === location.origin;
      if (entry.initiatorType !== "fetch" || (here && pathname.startsWith("/api/"))) continue;
      onCall({
        by: "player",
        method: "",
        // Long parts are what names a stream, and whoever knows that may watch it (reference 1.3).
        path: (here ? "" : origin) + pathname.replace(/[^/]{25,}/g, "…"),
        status: entry.responseStatus || null,
        ms: Math.round(entry.duration),
        requestId: "",
      });
    }
  }).observe({ type: "resource" });
}
