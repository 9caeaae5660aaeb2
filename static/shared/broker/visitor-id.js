import { randomId } from "../random-id.js";

/**
 * The name by which a broker knows this browser's visitor where it gets no cookie.
 *
 * Browsers send no cookie of the broker on pages of another site, nor in frames there. Anyone who knows
 * the name is this visitor, so it is told to that broker alone.
 */
export class VisitorId {
  #key;
  /** @type {string | undefined} Also of a browser that stores nothing, until the page goes. */
  #name;

  /** @param {string} broker Its origin. */
  constructor(broker) {
    this.#key = `avatar-visitor ${broker}`;
  }

  /** The name, if there is one: nothing is stored before a visitor asks for a session. */
  get known() {
    this.#name ??= this.#stored();
    return this.#name;
  }

  /** The name; a new one of 256 random bits when there is none. */
  make() {
    if (this.known) return this.known;
    const fresh = randomId() + randomId();
    try {
      localStorage.setItem(this.#key, fresh);
    } catch {
      // Then it is known to this page alone.
    }
    return (this.#name = this.#stored() ?? fresh);
  }

  #stored() {
    try {
      return localStorage.getItem(this.#key) ?? undefined;
    } catch {
      return undefined;
    }
  }
}
