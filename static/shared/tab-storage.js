/**
 * The state of a page's speech that only the page knows: texts that nobody has answered yet, and how far
 * the voice has come.
 *
 * @typedef {{sessionId: string, unanswered: {turnId: string, text: string}[], heard: {turnId: string, elapsed: number} | null}} SavedSpeech
 */

/** Keeps data of a page for this tab's next page. */
export class TabStorage {
  #draft;
  #speech;

  /** @param {string} [scope] Begins the names of its entries, so that several do not mix. */
  constructor(scope = "") {
    this.#draft = `${scope}draft`;
    this.#speech = `${scope}speech`;
  }

  /** The text that was written and not sent, by this page or the one before. */
  get draft() {
    return take(this.#draft, (text) => text) ?? "";
  }

  set draft(text) {
    put(this.#draft, text);
  }

  /** @param {SavedSpeech} speech */
  saveSpeech(speech) {
    put(this.#speech, JSON.stringify(speech));
  }

  /**
   * Takes back the speech that the page before this one kept, once.
   *
   * @returns {SavedSpeech | null}
   */
  takeSpeech() {
    const kept = take(this.#speech, JSON.parse);
    put(this.#speech, "");
    return kept;
  }
}

/**
 * Keeps a text for this tab's next page.
 *
 * @param {string} key
 * @param {string} value Nothing takes it away.
 */
export function put(key, value) {
  try {
    if (value) sessionStorage.setItem(key, value);
    else sessionStorage.removeItem(key);
  } catch {
    // A browser that stores nothing keeps nothing; the page itself works all the same.
  }
}

/**
 * What an earlier page of this tab kept; null for nothing, or what can't be read.
 *
 * @param {string} key
 * @param {(value: string) => any} read
 */
export function take(key, read) {
  try {
    const value = sessionStorage.getItem(key);
    return value === null ? null : read(value);
  } catch {
    return null;
  }
}
