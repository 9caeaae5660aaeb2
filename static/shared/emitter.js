/**
 * Handlers by event name; one that throws is reported and does not silence the others.
 *
 * @template {Record<string, any>} Events
 */
export class Emitter {
  /** @type {Map<keyof Events, Set<(payload: any) => void>>} */
  #handlers = new Map();

  /**
   * @template {keyof Events} Name
   * @param {Name} event
   * @param {(payload: Events[Name]) => void} handler
   */
  on(event, handler) {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers.add(handler));
  }

  /**
   * @template {keyof Events} Name
   * @param {Name} event
   * @param {(payload: Events[Name]) => void} handler
   */
  off(event, handler) {
    this.#handlers.get(event)?.delete(handler);
  }

  /**
   * @template {keyof Events} Name
   * @param {Name} event
   * @param {Events[Name]} payload
   */
  emit(event, payload) {
    for (const handler of [...(this.#handlers.get(event) ?? [])]) {
      try {
        handler(payload);
      } catch (error) {
        reportError(error);
      }
    }
  }
}
