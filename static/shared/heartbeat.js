/**
 * Calls `beat` at a steady pace, never twice at once, until stopped.
 *
 * The next beat is timed from the end of the last, so a slow answer never piles up calls.
 */
export class Heartbeat {
  #beat;
  #everyMs;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #running = false;
  #beating = false;

  /**
   * @param {() => Promise<unknown>} beat Must not reject.
   * @param {number} [everyMs] Kaltura's documents ask for 10 s (reference 1.6).
   */
  constructor(beat, everyMs = 10_000) {
    this.#beat = beat;
    this.#everyMs = everyMs;
  }

  start() {
    this.#running = true;
    this.#schedule();
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  /** Beats at once, for a page that was asleep and wants to know how things are. */
  async now() {
    if (!this.#running || this.#beating) return;
    clearTimeout(this.#timer);
    this.#beating = true;
    await this.#beat();
    this.#beating = false;
    this.#schedule();
  }

  #schedule() {
    clearTimeout(this.#timer);
    if (this.#running) this.#timer = setTimeout(() => this.now(), this.#everyMs);
  }
}
