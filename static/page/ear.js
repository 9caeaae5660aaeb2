import { LevelGate, SpeakingDetector } from "../player/speaking.js";

/**
 * Hears the pauses at commas and between sentences, which the player's own events pass over; what
 * is shorter is within a word.
 *
 * @returns {LevelGate}
 */
const attentive = () => new LevelGate({ attackMs: 40, releaseMs: 100 });

/** Listens to whatever the stage plays, whichever player plays it; hears nothing if it can't. */
export class Ear {
  /** Whether it has heard anything: a browser may let nobody listen. */
  hears = false;
  #onVoice;
  /** @type {SpeakingDetector | null} */
  #detector = null;

  /** @param {(voice: boolean) => void} onVoice Told when sound begins, and when it pauses. */
  constructor(onVoice) {
    this.#onVoice = onVoice;
  }

  /** @param {MediaProvider | null | undefined} source What the stage's video shows. */
  listen(source) {
    this.close();
    if (!(source instanceof MediaStream) || source.getAudioTracks().length === 0) return;
    const onVoice = (/** @type {boolean} */ voice) => {
      this.hears = true;
      this.#onVoice(voice);
    };
    this.#detector = new SpeakingDetector(source, onVoice, attentive());
  }

  close() {
    void this.#detector?.close();
    this.#detector = null;
    this.hears = false;
  }
}
