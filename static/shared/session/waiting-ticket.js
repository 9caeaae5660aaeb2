
/** The broker drops a place after 45 s without a question; a page may be slow to come back. */
const KEPT_MS = 60_000;

/**
 * @typedef {{avatarId?: string, voiceId?: string}} Choice
 * @typedef {{key: string, ticket: string, choice: Choice}} WaitingTicket A place in line, and the click that asked for it.
 */

/**
 * Keeps a place in line for this tab's next page.
 *
 * Done only as the page goes, since a tab that is duplicated inherits what is stored.
 *
 * @param {string} broker Its origin, or nothing on its own pages.
 * @param {WaitingTicket} ticket
 */
export function storeTicket(broker, ticket) {
  try {
    sessionStorage.setItem(keyOf(broker), JSON.stringify({ ...ticket, keptAt: Date.now() }));
  } catch {
    // A browser that stores nothing loses the place; the next Start gets in line again.
  }
}

/**
 * Takes back what this tab's page before this one kept, once.
 *
 * @param {string} broker
 * @returns {WaitingTicket | null}
 */
export function takeTicket(broker) {
  try {
    const { keptAt, ...kept } = JSON.parse(sessionStorage.getItem(keyOf(broker)) ?? "{}");
    sessionStorage.removeItem(keyOf(broker));
    return Date.now() - keptAt < KEPT_MS ? kept : null;
  } catch {
    return null;
  }
}

/** @param {string} broker */
function keyOf(broker) {
  return `place-in-line ${broker}`.trim();
}
