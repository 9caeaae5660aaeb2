import english from "./languages/en.js";

/** The languages there are words of. */
export const LANGUAGES = ["en", "es", "fr", "de", "pt-BR", "it", "nl", "ja", "ko", "zh-Hans", "he", "ar"];

const RIGHT_TO_LEFT = ["he", "ar"];

/** @typedef {{language: string, texts: import("./words/words.js").Dictionary}} Translation */

/**
 * The words for an element of a page: in its own language, or that of what it stands in, or the
 * browser's; English where there is none of these.
 *
 * @param {Element} element
 * @returns {Promise<Translation>} Never rejects.
 */
export async function translationFor(element) {
  const wished = [languageOf(element), ...(globalThis.navigator?.languages ?? [])];
  const language = wished.map(known).find(Boolean) ?? "en";
  return { language, texts: await textsOf(language) };
}

/**
 * @param {string} language
 * @returns {"ltr" | "rtl"}
 */
export function directionOf(language) {
  return RIGHT_TO_LEFT.includes(language) ? "rtl" : "ltr";
}

/**
 * The language that is known here for a BCP 47 tag: the same, or one of the same main language.
 *
 * @param {string} tag
 * @returns {string | undefined}
 */
export function known(tag) {
  try {
    const { language } = new Intl.Locale(tag);
    return LANGUAGES.find((one) => one === tag) ?? LANGUAGES.find((one) => new Intl.Locale(one).language === language);
  } catch {
    return undefined; // What a page writes into `lang` need not be a language.
  }
}

/**
 * The nearest `lang`, also beyond the shadow root that the element stands in.
 *
 * @param {Element} element
 * @returns {string}
 */
function languageOf(element) {
  const nearest = element.closest("[lang]");
  if (nearest) return nearest.getAttribute("lang") ?? "";
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? languageOf(root.host) : "";
}

/** @param {string} language */
async function textsOf(language) {
  if (language === "en") return english;
  try {
    // Not a literal, so that a bundle leaves it where it is: one language is loaded, and no other.
    const translated = await import(new URL(`./languages/${language}.js`, import.meta.url).href);
    return { ...english, ...translated.default };
  } catch {
    return english;
  }
}
