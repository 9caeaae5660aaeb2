const KEY = "kaltura-avatar viewing";

/** @type {["small", "medium", "large"]} */
const SIZES = ["small", "medium", "large"];

/**
 * @typedef {{volume: number, captions: boolean, size: "small" | "medium" | "large", chosen: boolean}} PlaybackPreferences
 *   `chosen`: by the visitor, at any time.
 * @typedef {{
 *   viewing: HTMLElement,
 *   stage: HTMLElement,
 *   mute: HTMLElement,
 *   volume: HTMLInputElement,
 *   captionsButton: HTMLElement,
 *   captionSize: HTMLElement,
 *   fullScreen: HTMLElement,
 * }} PlaybackElements
 */

/** How one wants to see and hear the avatar: volume, captions, full screen. It is remembered. */
export class PlaybackSettings {
  #element;
  #stage;
  #mute;
  #volume;
  #captions;
  #size;
  #full;
  #words;
  #wishes;
  #isMuted = false;
  #onSound;

  /**
   * @param {PlaybackElements} elements
   * @param {import("../words/words.js").Words} words
   * @param {(sound: {volume: number, muted: boolean}) => void} onSound Volume is 0 to 1.
   */
  constructor({ viewing, stage, mute, volume, captionsButton, captionSize, fullScreen }, words, onSound) {
    this.#element = viewing;
    this.#stage = stage;
    this.#mute = mute;
    this.#volume = volume;
    this.#captions = captionsButton;
    this.#size = captionSize;
    this.#full = fullScreen;
    this.#words = words;
    this.#wishes = remembered();
    this.#onSound = onSound;
    this.#mute.addEventListener("click", () => this.#setMuted(!this.#isMuted));
    this.#volume.addEventListener("input", () => {
      this.#isMuted = false;
      this.#wish({ volume: Number(this.#volume.value) / 100 });
    });
    this.#captions.addEventListener("click", () => this.#wish({ captions: !this.#wishes.captions }));
    this.#size.addEventListener("click", () => this.#wish({ size: after(this.#wishes.size) }));
    this.#full.hidden = !document.fullscreenEnabled;
    this.#full.addEventListener("click", () => void this.#turnFullScreen());
    this.#stage.addEventListener("fullscreenchange", () => this.#draw());
    words.keep(this, () => this.#draw());
  }

  /** @param {{captions?: boolean, muted?: boolean}} wishes Of the page, until the visitor has others. */
  propose({ captions, muted }) {
    if (captions !== undefined && !this.#wishes.chosen) this.#wishes.captions = captions;
    if (muted !== undefined) this.#isMuted = muted;
    this.#draw();
  }

  /** @param {boolean} there Whether there is anything to see. */
  enable(there) {
    this.#element.hidden = !there;
    if (there) this.#draw();
    else if (this.#isFull) void document.exitFullscreen();
  }

  /** @param {boolean} muted */
  #setMuted(muted) {
    this.#isMuted = muted;
    this.#draw();
  }

  /** @param {Partial<PlaybackPreferences>} wish */
  #wish(wish) {
    Object.assign(this.#wishes, wish, { chosen: true });
    remember(this.#wishes);
    this.#draw();
  }

  async #turnFullScreen() {
    if (this.#isFull) await document.exitFullscreen();
    else await this.#stage.requestFullscreen().catch(() => {});
  }

  get #isFull() {
    const root = /** @type {Document | ShadowRoot} */ (this.#stage.getRootNode());
    return root.fullscreenElement === this.#stage;
  }

  #draw() {
    const { volume, captions, size } = this.#wishes;
    this.#volume.value = String(this.#isMuted ? 0 : Math.round(volume * 100));
    this.#mute.setAttribute("aria-pressed", String(this.#isMuted));
    this.#captions.setAttribute("aria-pressed", String(captions));
    this.#size.setAttribute("aria-label", this.#words.of("captionSize", { size: this.#words.of(size) }));
    this.#full.setAttribute("aria-pressed", String(this.#isFull));
    this.#stage.dataset.captions = captions ? size : "off";
    this.#onSound({ volume, muted: this.#isMuted });
  }
}

/** @param {PlaybackPreferences["size"]} size */
function after(size) {
  return SIZES[(SIZES.indexOf(size) + 1) % SIZES.length] ?? "medium";
}

/** @returns {PlaybackPreferences} */
function remembered() {
  /** @type {PlaybackPreferences} */
  const usual = { volume: 1, captions: true, size: "medium", chosen: false };
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "null");
    if (!kept) return usual;
    const volume = Number(kept.volume ?? 1);
    return {
      volume: volume >= 0 && volume <= 1 ? volume : usual.volume,
      captions: kept.captions !== false,
      size: SIZES.includes(kept.size) ? kept.size : usual.size,
      chosen: true,
    };
  } catch {
    return usual;
  }
}

/** @param {PlaybackPreferences} wishes */
function remember(wishes) {
  try {
    localStorage.setItem(KEY, JSON.stringify(wishes));
  } catch {
    // A browser that stores nothing asks again next time.
  }
}
