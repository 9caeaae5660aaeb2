const DRAFT = "draft";
const SPEECH = "speech";

/**
 * What the page knows of its speech and nobody else: texts that nobody has answered yet, and how
 * far the voice has come.
 *
 * @typedef {{sessionId: string, unanswered: {turnId: string, text: string}[], heard: {turnId: string, elapsed: number} | null}} SavedSpeech
 */

/**
 * Keeps what was written and not sent, for this tab's next page.
 *
 * @param {string} text
 */
export function saveDraft(text) {
  put(DRAFT, text);
}

/** What the page before this one kept, or nothing. */
export function loadDraft() {
  return take(DRAFT, (text) => text) ?? "";
}

/** @param {SavedSpeech} speech */
export function saveSpeech(speech) {
  put(SPEECH, JSON.stringify(speech));
}

/**
 * Takes back what the page before this one kept, once.
 *
 * @returns {SavedSpeech | null}
 */
export function takeSpeech() {
  const kept = take(SPEECH, JSON.parse);
  put(SPEECH, "");
  return kept;
}

/**
 * @param {string} key
 * @param {string} value Nothing takes it away.
 */
function put(key, value) {
  try {
    if (value) sessionStorage.setItem(key, value);
    else sessionStorage.removeItem(key);
  } catch {
    // A browser that stores nothing keeps nothing; the page itself works all the same.
  }
}

/**
 * @param {string} key
 * @param {(value: string) => any} read
 */
function take(key, read) {
  try {
    const value = sessionStorage.getItem(key);
    return value === null ? null : read(value);
  } catch {
    return null;
  }
}
