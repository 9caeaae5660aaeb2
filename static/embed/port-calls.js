/** The messages of page and frame before they have a port. */
export const HELLO = "kaltura-avatar: hello";
export const WELCOME = "kaltura-avatar: welcome";

/** The fields of an error, perhaps a `Problem`, that cross a port. */
const TOLD = ["name", "message", "title", "detail", "requestId", "retryAfter"];

/** @typedef {Record<string, (...given: any[]) => any>} PortFunctions What the other side may call. */

/** Calls the functions of the other side of a port, and lets it call the ones that are given. */
export class PortCalls {
  #port;
  #functions;
  /** @type {Map<number, {resolve: (result: any) => void, reject: (error: Error) => void}>} */
  #calls = new Map();
  #count = 0;

  /**
   * @param {MessagePort} port
   * @param {PortFunctions} functions
   */
  constructor(port, functions) {
    this.#port = port;
    this.#functions = functions;
    port.onmessage = ({ data }) => void this.#hear(Object(data));
  }

  /**
   * @param {string} name
   * @param {unknown[]} given
   * @returns {Promise<any>} What the function there returns; rejects with what it throws.
   */
  call(name, ...given) {
    return new Promise((resolve, reject) => {
      const id = (this.#count += 1);
      this.#port.postMessage({ id, name, given });
      this.#calls.set(id, { resolve, reject });
    });
  }

  /**
   * Calls a function there without waiting for what it returns.
   *
   * @param {string} name
   * @param {unknown[]} given
   */
  tell(name, ...given) {
    this.#port.postMessage({ name, given });
  }

  /**
   * Ignores the port from now on, and rejects every call.
   *
   * @param {Error} reason
   */
  close(reason) {
    this.#port.close();
    for (const { reject } of this.#calls.values()) reject(reason);
    this.#calls.clear();
  }

  /** @param {any} message Of whichever shape. */
  async #hear({ id, name, given, result, error }) {
    if (name === undefined) return this.#settle(id, result, error);
    try {
      if (!Object.hasOwn(this.#functions, name) || !Array.isArray(given)) throw new TypeError("There is no such call");
      const returned = await this.#functions[name]?.(...given);
      if (id !== undefined) this.#port.postMessage({ id, result: returned });
    } catch (failure) {
      if (id !== undefined) this.#port.postMessage({ id, error: toldOf(failure) });
    }
  }

  /**
   * @param {number} id
   * @param {unknown} result
   * @param {object} [error]
   */
  #settle(id, result, error) {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error) call?.reject(Object.assign(new Error(), error));
    else call?.resolve(result);
  }
}

/**
 * An error as an object that can be sent; nothing stays nothing.
 *
 * @param {any} error
 */
export function toldOf(error) {
  return error && Object.fromEntries(TOLD.map((name) => [name, error[name]]));
}
