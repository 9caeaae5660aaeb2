import { create } from "../../shared/dom.js";
import { put, take } from "../../shared/tab-storage.js";
import css from "./picker-css.js";

/** The states in which the next session may be chosen. */
const BEFORE_START = ["ready", "ended", "problem"];

/**
 * @typedef {import("../../../types/broker-api").CatalogAvatar} CatalogAvatar
 * @typedef {import("../../../types/broker-api").CatalogVoice} CatalogVoice
 * @typedef {import("../../../types/kaltura-avatar").KalturaAvatarElement} Host
 * @typedef {import("../words/words.js").Words} Words
 */

/**
 * Lets a visitor choose the next session's avatar and voice, which its element's attributes then name.
 *
 * The choice outlives a reload, unless the page itself names another.
 */
export class Picker {
  element;
  #host;
  #key;
  #avatars;
  #voices;
  #radios;
  #voice;

  /**
   * @param {Host} host
   * @param {Words} words
   * @param {import("../../../types/broker-api").PublicCatalog} catalog
   */
  constructor(host, words, { avatars, voices }) {
    this.#host = host;
    this.#key = `kaltura-avatar ${host.broker} choice`;
    this.#avatars = avatars.map(({ avatarId }) => avatarId);
    this.#voices = voices.map(({ voiceId }) => voiceId);
    this.#radios = this.#avatars.map((value) => create("input", { type: "radio", name: "avatar", value }));
    this.#voice = create("select", {}, ...optionsOf(voices, words));
    this.element = create("div", { class: "picker", part: "picker" });
    if (avatars.length > 1) this.element.append(this.#portraits(avatars, words));
    if (voices.length > 1) this.element.append(create("label", {}, title(words, "voice"), this.#voice));
    this.element.addEventListener("change", ({ target }) => this.#choose(/** @type {HTMLInputElement} */ (target)));
    this.#show();
  }

  /**
   * Stands behind a part of the element from now on, to be seen before a start.
   *
   * @param {Element} before
   * @param {AbortSignal} signal Says that it is over.
   */
  place(before, signal) {
    const root = before.getRootNode();
    if (!(root instanceof ShadowRoot)) return; // It was over before this was loaded.
    before.after(this.element);
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
    const attributes = new MutationObserver(() => this.#show());
    attributes.observe(this.#host, { attributeFilter: ["avatar-id", "voice-id", "controls"] });
    this.#host.addEventListener("avatar-state", () => this.#show(), { signal });
    signal.addEventListener("abort", () => {
      attributes.disconnect();
      root.adoptedStyleSheets = root.adoptedStyleSheets.filter((one) => one !== sheet);
    });
  }

  /**
   * @param {CatalogAvatar[]} avatars
   * @param {Words} words
   */
  #portraits(avatars, words) {
    const tiles = avatars.map(({ name, thumbnailUrl }, index) => {
      const picture = thumbnailUrl ? [portrait(new URL(thumbnailUrl, this.#host.broker).href)] : [];
      const radio = /** @type {HTMLInputElement} */ (this.#radios[index]);
      return create("label", { part: "picker-item" }, ...picture, radio, create("span", { dir: "auto" }, name));
    });
    return create(
      "div",
      { role: "radiogroup", "aria-labelledby": "avatar-title" },
      title(words, "avatar", "avatar-title"),
      create("div", { class: "portraits" }, ...tiles),
    );
  }

  /** @param {HTMLInputElement | HTMLSelectElement} chosen */
  #choose(chosen) {
    if (chosen === this.#voice) this.#host.voiceId = chosen.value;
    else this.#host.avatarId = chosen.value;
    const { avatarId, voiceId } = this.#host;
    put(this.#key, JSON.stringify({ avatarId, voiceId }));
  }

  #show() {
    const { controls, state } = this.#host;
    this.element.hidden = !controls.split(/\s+/).includes("picker") || !BEFORE_START.includes(state);
    // What is shown as chosen is asked for, also where the broker has no default.
    const kept = take(this.#key, JSON.parse);
    if (this.#avatars.length > 1) this.#host.avatarId ||= offered(this.#avatars, kept?.avatarId);
    if (this.#voices.length > 1) this.#host.voiceId ||= offered(this.#voices, kept?.voiceId);
    for (const radio of this.#radios) radio.checked = radio.value === this.#host.avatarId;
    this.#voice.value = this.#host.voiceId;
  }
}

/**
 * What is wished for, if it is offered, or else the first.
 *
 * @param {string[]} ids
 * @param {string | undefined} wished
 */
function offered(ids, wished) {
  return ids.find((id) => id === wished) ?? ids[0] ?? "";
}

/**
 * @param {Words} words
 * @param {string} key
 * @param {string} [id]
 */
function title(words, key, id) {
  return words.label(create("span", { class: "picker-title", id }), key);
}

/** @param {string} src */
function portrait(src) {
  const image = create("img", { src, alt: "", loading: "lazy", onerror: () => image.remove() });
  return image;
}

/**
 * The voices, by language where they are of several.
 *
 * @param {CatalogVoice[]} voices
 * @param {Words} words
 */
function optionsOf(voices, words) {
  const languages = [...new Set(voices.map(({ language }) => language ?? ""))];
  return languages.flatMap((language) => {
    const spoken = voices.filter((voice) => (voice.language ?? "") === language);
    const options = spoken.map(({ voiceId, name }) => create("option", { value: voiceId }, name));
    if (!language || languages.length === 1) return options;
    const group = create("optgroup", {}, ...options);
    return words.keep(group, () => (group.label = nameOf(language, words.language)));
  });
}

/**
 * A language in the words of another; itself where it is none.
 *
 * @param {string} language
 * @param {string} reader
 */
function nameOf(language, reader) {
  try {
    return new Intl.DisplayNames(reader, { type: "language" }).of(language) ?? language;
  } catch {
    return language;
  }
}
