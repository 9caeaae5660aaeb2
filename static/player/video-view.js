const PLAYABLE_MS = 6000;
const HAVE_FUTURE_DATA = 3;

/** The `<video>` that the player puts into a container. */
export class VideoView {
  #video = document.createElement("video");

  /** @param {HTMLElement | null} container */
  constructor(container) {
    this.#video.autoplay = true;
    this.#video.playsInline = true;
    container?.replaceChildren(this.#video);
  }

  /**
   * Shows a stream; resolves when it plays, or after 6 s at the latest (reference 3, "Playable").
   *
   * @param {MediaStream} stream
   */
  async show(stream) {
    this.#video.srcObject = stream;
    await Promise.all([this.#play(), playable(this.#video)]);
  }

  remove() {
    this.#video.srcObject = null;
    this.#video.remove();
  }

  // A picture without sound is better than neither, when the browser wants a gesture for sound.
  async #play() {
    try {
      await this.#video.play();
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "NotAllowedError")) return;
      this.#video.muted = true;
      await this.#video.play().catch(() => {});
    }
  }
}

/** @param {HTMLVideoElement} video */
function playable(video) {
  return new Promise((resolve) => {
    if (video.readyState >= HAVE_FUTURE_DATA) resolve(undefined);
    video.addEventListener("canplay", resolve, { once: true });
    setTimeout(resolve, PLAYABLE_MS);
  });
}
