/**
 * The words of a language: a text, or one for each plural form of the number `n` (CLDR's names).
 *
 * @typedef {typeof import("../languages/en.js").default} English
 * @typedef {Record<string, string | Record<string, string>>} Dictionary
 * @typedef {Record<string, string | number>} Values For the placeholders of a text, as `{n}`.
 */

/** Which forms a language counts by; a place in line has ordinal numbers, all else cardinal ones. */
const ORDINAL = ["place"];

/** So many seconds may be called half a minute. */
const HALF_MINUTE = 45;

/** The words that a visitor reads, in a language that may change. */
export class Words {
  /** Of the texts: a BCP 47 tag. */
  language;
  /** @type {Dictionary} */
  #texts;
  /** @type {(() => void)[]} */
  #shown = [];

  /**
   * @param {string} [language]
   * @param {Dictionary} [texts] None before they are loaded.
   */
  constructor(language = "en", texts = {}) {
    this.language = language;
    this.#texts = texts;
  }

  /**
   * Speaks another language from now on, in what `label` has labelled too.
   *
   * @param {string} language
   * @param {Dictionary} texts
   */
  become(language, texts) {
    this.language = language;
    this.#texts = texts;
    for (const show of this.#shown) show();
  }

  /**
   * A text; "" for one that there is not.
   *
   * @param {string} key
   * @param {Values} [values]
   */
  of(key, values = {}) {
    const text = this.#texts[key] ?? "";
    const form = typeof text === "string" ? text : (text[this.#plural(key, Number(values.n))] ?? text.other ?? "");
    return form.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? `{${name}}`));
  }

  /**
   * Gives an element its text, or an attribute, in whatever language these words are.
   *
   * @template {Element} Labelled
   * @param {Labelled} element
   * @param {string} key
   * @param {string} [attribute]
   * @returns {Labelled}
   */
  label(element, key, attribute) {
    return this.keep(element, () => {
      if (attribute) element.setAttribute(attribute, this.of(key));
      else element.textContent = this.of(key);
    });
  }

  /**
   * Shows something now, and again in every other language.
   *
   * @template Shown
   * @param {Shown} shown
   * @param {() => void} show
   * @returns {Shown}
   */
  keep(shown, show) {
    this.#shown.push(show);
    show();
    return shown;
  }

  /**
   * When something may be tried again: "in 20 seconds".
   *
   * @param {number | undefined} seconds
   */
  when(seconds) {
    if (!seconds) return this.of("soon");
    const [amount, unit] = inUnit(seconds);
    return new Intl.RelativeTimeFormat(this.language).format(amount, unit);
  }

  /**
   * About how long something takes: 30 seconds, or whole minutes.
   *
   * @param {number} seconds
   */
  duration(seconds) {
    const [amount, unit] = inUnit(seconds > HALF_MINUTE ? Math.max(60, Math.round(seconds / 60) * 60) : 30, 60);
    return new Intl.NumberFormat(this.language, { style: "unit", unit, unitDisplay: "long" }).format(amount);
  }

  /**
   * @param {string} key
   * @param {number} number
   */
  #plural(key, number) {
    const type = ORDINAL.includes(key) ? "ordinal" : "cardinal";
    return new Intl.PluralRules(this.language, { type }).select(number);
  }
}

/**
 * @param {number} seconds
 * @param {number} [minute] From how many seconds on they are told in minutes.
 * @returns {[number, "second" | "minute" | "hour"]}
 */
function inUnit(seconds, minute = 90) {
  if (seconds < minute) return [Math.ceil(seconds), "second"];
  if (seconds < 90 * 60) return [Math.ceil(seconds / 60), "minute"];
  return [Math.ceil(seconds / 3600), "hour"];
}
