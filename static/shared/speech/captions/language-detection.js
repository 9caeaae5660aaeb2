/** Scripts that tell a language, or nearly so: kana before Han, since Japanese has both. */
/** @type {[RegExp, string][]} */
const SCRIPTS = [
  [/[\p{Script=Hiragana}\p{Script=Katakana}]/u, "ja"],
  [/\p{Script=Hangul}/u, "ko"],
  [/\p{Script=Han}/u, "zh"],
  [/\p{Script=Arabic}/u, "ar"],
  [/\p{Script=Hebrew}/u, "he"],
  [/\p{Script=Thai}/u, "th"],
  [/\p{Script=Devanagari}/u, "hi"],
  [/\p{Script=Greek}/u, "el"],
];

/**
 * A text's language as far as its script tells it, for fonts and screen readers; "" is unknown.
 *
 * @param {string} text
 */
export function languageOf(text) {
  return SCRIPTS.find(([script]) => script.test(text))?.[1] ?? "";
}

/**
 * Puts a text of any language into an element of a page in English.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
export function writeText(element, text) {
  element.textContent = text;
  element.lang = languageOf(text);
  element.dir = "auto";
}
