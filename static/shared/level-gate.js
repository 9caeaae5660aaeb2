/**
 * Decides from a level whether someone speaks, without flickering.
 *
 * Speech begins when the level stays above `loud` for `attackMs`, and ends when it stays below
 * `quiet` for `releaseMs`: long enough to bridge the pause between two sentences.
 */
export class LevelGate {
  #loud;
  #quiet;
  #attackMs;
  #releaseMs;
  #open = false;
  /** @type {number | null} When the level first contradicted the present state. */
  #since = null;

  /** @param {{loud?: number, quiet?: number, attackMs?: number, releaseMs?: number}} [options] */
  constructor({ loud = 0.012, quiet = 0.006, attackMs = 80, releaseMs = 650 } = {}) {
    this.#loud = loud;
    this.#quiet = quiet;
    this.#attackMs = attackMs;
    this.#releaseMs = releaseMs;
  }

  get open() {
    return this.#open;
  }

  /**
   * Takes one measurement and returns whether the state changed.
   *
   * @param {number} level Root mean square, 0 to 1.
   * @param {number} now Milliseconds on any steady clock.
   * @returns {boolean}
   */
  feed(level, now) {
    const contradicts = this.#open ? level < this.#quiet : level > this.#loud;
    if (!contradicts) {
      this.#since = null;
      return false;
    }
    this.#since ??= now;
    if (now - this.#since < (this.#open ? this.#releaseMs : this.#attackMs)) return false;
    this.#open = !this.#open;
    this.#since = null;
    return true;
  }
}
