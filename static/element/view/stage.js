const PLAYABLE_MS = 6000;
const LOOK_MS = 100;
const HAVE_FUTURE_DATA = 3;

/** The place where the avatar appears: its scenery, its video, and whether it may be heard. */
export class Stage {
  #element;
  #container;
  #soundButton;
  #onSilence;
  /** What the visitor wants; a browser may mute for reasons of its own. */
  #sound = { volume: 1, muted: false };
  #look = () => this.#offerSound();

  /**
   * @param {{stage: HTMLElement, container: HTMLElement, sound: HTMLElement}} elements `container` is
   *   for the player's video.
   * @param {() => void} onSilence Told when the browser keeps the sound off.
   */
  constructor({ stage, container, sound }, onSilence) {
    this.#element = stage;
    this.#container = container;
    this.#soundButton = sound;
    this.#onSilence = onSilence;
    this.#soundButton.addEventListener("click", () => this.turnSoundOn());
    // A player may make its video whenever it likes, so it is looked for when it comes.
    new MutationObserver(() => this.#adopt()).observe(this.#container, { childList: true, subtree: true });
  }

  /** @param {import("../../shared/session/session-controller.js").State} state */
  become(state) {
    this.#element.dataset.state = state;
    if (state === "ended" || state === "problem") this.clear();
  }

  /** Takes away what a player showed, whichever that was. */
  clear() {
    this.#container.replaceChildren();
    this.#soundButton.hidden = true;
  }

  /** What is played, whichever player made it. */
  get source() {
    return this.#video?.srcObject;
  }

  /** Stops picture and sound, which a video that is in no page would play on. */
  silence() {
    const { source } = this;
    if (source instanceof MediaStream) for (const track of source.getTracks()) track.stop();
    this.clear();
  }

  /** @param {{volume: number, muted: boolean}} sound As the visitor wants it; volume is 0 to 1. */
  setSound(sound) {
    const isWanted = this.#sound.muted && !sound.muted;
    this.#sound = sound;
    this.#obey();
    if (isWanted) this.turnSoundOn();
  }

  /** @param {boolean} speaking */
  speak(speaking) {
    this.#element.toggleAttribute("data-speaking", speaking);
  }

  /** Resolves when the picture plays, or after 6 s: sound alone is better than nothing. */
  async playable() {
    const until = performance.now() + PLAYABLE_MS;
    while (performance.now() < until) {
      if ((this.#video?.readyState ?? 0) >= HAVE_FUTURE_DATA) break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    await this.#play();
  }

  get #video() {
    return this.#container.querySelector("video");
  }

  #adopt() {
    for (const name of ["volumechange", "playing", "pause"])
      this.#video?.addEventListener(name, this.#look);
    this.#video?.setAttribute("part", "video");
    this.#obey();
  }

  #obey() {
    const video = this.#video;
    if (video) video.volume = this.#sound.volume;
    if (video && this.#sound.muted) video.muted = true;
    this.#offerSound();
  }

  #offerSound() {
    const video = this.#video;
    const isSilent = video?.paused || (video?.muted && !this.#sound.muted);
    this.#soundButton.hidden = !video?.srcObject || !isSilent;
  }

  // Whether sound is allowed is only known by trying; a silent picture is better than none.
  async #play() {
    const video = this.#video;
    if (!video) return;
    await video.play().catch(() => {
      video.muted = true;
      return video.play().catch(() => {});
    });
    this.#offerSound();
    if (!this.#soundButton.hidden) this.#onSilence();
  }

  /** Plays on, after the browser paused it since it was moved in the page. */
  playOn() {
    if (this.#video?.paused) void this.#play();
  }

  /** Lets the avatar be heard after all; only a visitor's click may ask for that. */
  turnSoundOn() {
    const video = this.#video;
    if (!video) return;
    video.muted = this.#sound.muted;
    void video.play().catch(() => {}).finally(() => this.#offerSound());
  }
}
