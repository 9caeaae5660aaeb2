import { HELLO, PortCalls, WELCOME } from "./port-calls.js";

/** How long a page around the frame may take to say hello; one with a script does so at once. */
const PATIENCE_MS = 10_000;

/**
 * The page around this frame: it says hello, and gets a port if it is of an origin that may.
 *
 * Messages of all others change nothing, whatever is in them.
 */
export class ParentLink {
  #window;
  #ancestors;
  #functions;
  /** @type {PortCalls | null} */
  #calls = null;
  #welcomed = () => {};
  /** @type {Promise<void>} Resolves with the first port. */
  #connected = new Promise((resolve) => (this.#welcomed = resolve));

  /**
   * @param {Pick<Window, "parent" | "addEventListener">} window
   * @param {string[]} ancestors Origins, or every origin below a domain: `https://*.example.com`.
   * @param {import("./port-calls.js").PortFunctions} functions What the page may call.
   * @param {() => void} [onWelcome] Told of each port that is handed over.
   */
  constructor(window, ancestors, functions, onWelcome = () => {}) {
    this.#window = window;
    this.#ancestors = ancestors;
    this.#functions = functions;
    window.addEventListener("message", (message) => {
      if (!this.#isHello(message)) return;
      this.#welcome(message.origin);
      onWelcome();
    });
  }

  /**
   * Calls a function of the page, if need be once it has said hello.
   *
   * @param {string} name
   * @param {unknown[]} given
   * @returns {Promise<any>} Rejects when there is no such page.
   */
  async call(name, ...given) {
    await Promise.race([this.#connected, patience()]);
    return this.#calls?.call(name, ...given);
  }

  /**
   * Calls a function of the page if it has said hello.
   *
   * @param {string} name
   * @param {unknown[]} given
   */
  tell(name, ...given) {
    this.#calls?.tell(name, ...given);
  }

  /** @param {MessageEvent} message */
  #isHello({ data, origin, source }) {
    const { parent } = this.#window;
    return data === HELLO && source === parent && this.#ancestors.some((each) => isOf(each, origin));
  }

  /** @param {string} origin */
  #welcome(origin) {
    const { port1, port2 } = new MessageChannel();
    this.#calls?.close(new Error("The page around this frame began anew"));
    this.#calls = new PortCalls(port1, this.#functions);
    this.#window.parent.postMessage(WELCOME, origin, [port2]);
    this.#welcomed();
  }
}

/** @returns {Promise<never>} */
function patience() {
  const reason = new Error("The page around this frame has no avatar-frame.js");
  return new Promise((_, reject) => setTimeout(() => reject(reason), PATIENCE_MS));
}

/**
 * Whether an origin is an ancestor that is allowed, or below its domain.
 *
 * @param {string} ancestor
 * @param {string} origin
 */
function isOf(ancestor, origin) {
  const [scheme, domain] = ancestor.split("://*");
  return domain ? origin.startsWith(`${scheme}://`) && origin.endsWith(domain) : origin === ancestor;
}
