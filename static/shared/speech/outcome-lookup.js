const TRIES_MS = [1000, 2000, 4000, 8000];
const LONGEST_MS = 15_000;

/** How often a text must be missing at the broker: it may still be on its way there. */
const OFTEN_ENOUGH = 3;

/**
 * @typedef {import("../broker/event-stream.js").Utterance} Utterance
 * @typedef {{
 *   utterances: () => Promise<Utterance[]>,
 *   isUnclear: () => boolean,
 *   sleep: (ms: number) => Promise<void>,
 * }} LookupOptions `utterances` rejects while the broker can't be asked; `isUnclear`: nobody told meanwhile,
 *   and the session is there.
 */

/**
 * Asks the broker for the outcome of a text whose answer was lost.
 *
 * @param {string} turnId
 * @param {LookupOptions} options
 * @returns {Promise<Utterance | "missing" | undefined>} undefined: somebody else told.
 */
export async function findOutcome(turnId, { utterances, isUnclear, sleep }) {
  let missing = 0;
  for (let tries = 0; ; tries += 1) {
    await sleep(TRIES_MS[tries] ?? LONGEST_MS);
    if (!isUnclear()) return undefined;
    try {
      const found = (await utterances()).find((utterance) => utterance.turnId === turnId);
      if (found) return found;
      missing += 1;
    } catch {
      missing = 0;
    }
    if (missing >= OFTEN_ENOUGH) return "missing";
  }
}
