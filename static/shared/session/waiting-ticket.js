const KEY = "place-in-line";

/** The broker drops a place after 45 s without a question; a page may be slow to come back. */
const KEPT_MS = 60_000;

/** @typedef {{key: string, ticket: string}} WaitingTicket A place in line, and the click that asked for it. */

/**
 * Keeps a place in line for this tab's next page.
 *
 * Done only as the page goes, since a tab that is duplicated inherits what is stored.
 *
 * @param {WaitingTicket} ticket
 */
export function storeTicket(ticket) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ ...ticket, keptAt: Date.now() }));
  } catch {
    // A browser that stores nothing loses the place; the next Start gets in line again.
  }
}

/**
 * Takes back what this tab's page before this one kept, once.
 *
 * @returns {WaitingTicket | null}
 */
export function takeTicket() {
  try {
    const { key, ticket, keptAt } = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
    sessionStorage.removeItem(KEY);
    return Date.now() - keptAt < KEPT_MS ? { key, ticket } : null;
  } catch {
    return null;
  }
}
