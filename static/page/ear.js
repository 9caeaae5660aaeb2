import { LevelGate, SpeakingDetector } from "../player/speaking.js";

/**
 * Hears the pauses between two sentences, which the player's own events pass over.
 *
 * @returns {LevelGate}
 */
const attentive = () => new LevelGate({ attackMs: 40, releaseMs: 220 });

/** Listens to whatever the stage plays, whichever player plays it; hears nothing if it can't. */
export class Ear {
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
    this.#detector = new SpeakingDetector(source, this.#onVoice, attentive());
  }

  close() {
    void this.#detector?.close();
    this.#detector = null;
  }
}
