import { byId } from "../../shared/dom.js";

const KEY = "viewing";

/** @type {["small", "medium", "large"]} */
const SIZES = ["small", "medium", "large"];

/**
 * @typedef {{volume: number, captions: boolean, size: "small" | "medium" | "large"}} PlaybackPreferences
 */

/** How one wants to see and hear the avatar: volume, captions, full screen. It is remembered. */
export class PlaybackSettings {
  #element = byId("viewing");
  #stage = byId("stage");
  #mute = byId("mute");
  #volume = /** @type {HTMLInputElement} */ (byId("volume"));
  #captions = byId("captions");
  #size = byId("caption-size");
  #full = byId("full-screen");
  #wishes = remembered();
  #isMuted = false;
  #onSound;

  /** @param {(sound: {volume: number, muted: boolean}) => void} onSound Volume is 0 to 1. */
  constructor(onSound) {
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
    document.addEventListener("fullscreenchange", () => this.#draw());
    this.#draw();
  }

  /** @param {boolean} there Whether there is anything to see. */
  enable(there) {
    this.#element.hidden = !there;
    if (there) this.#draw();
    else if (document.fullscreenElement) void document.exitFullscreen();
  }

  /** @param {boolean} muted */
  #setMuted(muted) {
    this.#isMuted = muted;
    this.#draw();
  }

  /** @param {Partial<PlaybackPreferences>} wish */
  #wish(wish) {
    Object.assign(this.#wishes, wish);
    remember(this.#wishes);
    this.#draw();
  }

  async #turnFullScreen() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await this.#stage.requestFullscreen().catch(() => {});
  }

  #draw() {
    const { volume, captions, size } = this.#wishes;
    this.#volume.value = String(this.#isMuted ? 0 : Math.round(volume * 100));
    this.#mute.setAttribute("aria-pressed", String(this.#isMuted));
    this.#captions.setAttribute("aria-pressed", String(captions));
    this.#size.setAttribute("aria-label", `Caption size: ${size}`);
    this.#full.setAttribute("aria-pressed", String(document.fullscreenElement !== null));
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
  const usual = { volume: 1, captions: true, size: "medium" };
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    const volume = Number(kept.volume ?? 1);
    return {
      volume: volume >= 0 && volume <= 1 ? volume : usual.volume,
      captions: kept.captions !== false,
      size: SIZES.includes(kept.size) ? kept.size : usual.size,
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
