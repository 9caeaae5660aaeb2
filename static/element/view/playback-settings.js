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
  #elements;
  #words;
  #wishes = remembered();
  #isMuted = false;
  #onSound;

  /**
   * @param {PlaybackElements} elements
   * @param {import("../words/words.js").Words} words
   * @param {(sound: {volume: number, muted: boolean}) => void} onSound Volume is 0 to 1.
   */
  constructor(elements, words, onSound) {
    this.#elements = elements;
    this.#words = words;
    this.#onSound = onSound;
    const { stage, mute, volume, captionsButton, captionSize, fullScreen } = elements;
    mute.addEventListener("click", () => this.#setMuted(!this.#isMuted));
    volume.addEventListener("input", () => {
      this.#isMuted = false;
      this.#wish({ volume: Number(volume.value) / 100 });
    });
    captionsButton.addEventListener("click", () => this.#wish({ captions: !this.#wishes.captions }));
    captionSize.addEventListener("click", () => this.#wish({ size: after(this.#wishes.size) }));
    fullScreen.addEventListener("click", () => void this.#turnFullScreen());
    stage.addEventListener("fullscreenchange", () => this.#draw());
    words.keep(this, () => this.#draw());
  }

  /** @param {{captions: boolean, muted: boolean}} wishes Of the page, until the visitor has others. */
  propose({ captions, muted }) {
    if (!this.#wishes.chosen) this.#wishes.captions = captions;
    this.#setMuted(muted);
  }

  /** @param {boolean} there Whether there is anything to see. */
  enable(there) {
    this.#elements.viewing.hidden = !there;
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
    else await this.#elements.stage.requestFullscreen().catch(() => {});
  }

  get #isFull() {
    const { stage } = this.#elements;
    const root = /** @type {Document | ShadowRoot} */ (stage.getRootNode());
    return root.fullscreenElement === stage;
  }

  #draw() {
    const { volume, captions, size } = this.#wishes;
    const elements = this.#elements;
    elements.volume.value = String(this.#isMuted ? 0 : Math.round(volume * 100));
    elements.mute.ariaPressed = String(this.#isMuted);
    elements.captionsButton.ariaPressed = String(captions);
    elements.captionSize.ariaLabel = this.#words.of("captionSize", { size: this.#words.of(size) });
    elements.fullScreen.ariaPressed = String(this.#isFull);
    elements.stage.dataset.captions = captions ? size : "off";
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
