import { PRESETS } from "../shared/presets.js";
import { HELLO, PortCalls, WELCOME } from "./port-calls.js";

const NAME = "kaltura-avatar-frame";

/** The broker's origin: where this script came from. */
const BROKER = new URL(import.meta.url).origin;

/** A frame answers as soon as it has loaded. */
const PATIENCE_MS = 5000;

const CSS = `
:host { display: block; height: 42rem; }
:host([hidden]) { display: none; }
iframe { display: block; width: 100%; height: 100%; border: 0; }
`;

/** A server that renders pages has no elements. @type {typeof HTMLElement} */
const Base = globalThis.HTMLElement ?? class {};

/**
 * @typedef {import("../../types/kaltura-avatar-frame").KalturaAvatarFrameElement} FrameElement
 * @typedef {import("../../types/kaltura-avatar-frame").KalturaAvatarFrameFacts} AvatarFacts
 */

/**
 * `<kaltura-avatar-frame>`: the broker's `/embed` in a frame, with the surface of the element in it.
 *
 * @implements {FrameElement}
 */
export class KalturaAvatarFrame extends Base {
  /** @type {FrameElement["getAuthToken"]} */
  getAuthToken;
  #root = this.attachShadow({ mode: "open" });
  /** @type {HTMLIFrameElement | null} */
  #frame = null;
  /** @type {AvatarFacts} */
  #facts = { state: "ready", sessionId: null, secondsLeft: null, place: null, problem: null, utterances: [] };
  #updatedAt = 0;
  /** @type {PortCalls | null} */
  #calls = null;
  /** Resolves with the frame's answer, and rejects when there is none. @type {Promise<void> | null} */
  #answered = null;
  /** @type {{resolve: () => void, reject: (reason: Error) => void} | null} */
  #answer = null;
  /** Texts that are still being written. @type {Map<number, AsyncIterator<string>>} */
  #streams = new Map();
  #count = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #patience;
  #meet = (/** @type {MessageEvent} */ message) => this.#hear(message);

  constructor() {
    super();
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
    this.#root.adoptedStyleSheets = [sheet];
  }

  connectedCallback() {
    this.#begin();
    addEventListener("message", this.#meet);
    const frame = (this.#frame = document.createElement("iframe"));
    frame.allow = "autoplay; microphone; fullscreen";
    frame.title = this.title || "Avatar";
    frame.src = this.#address;
    frame.addEventListener("load", () => this.#greet());
    this.#root.replaceChildren(frame);
  }

  disconnectedCallback() {
    removeEventListener("message", this.#meet);
    clearTimeout(this.#patience);
    this.#begin();
    this.#frame?.remove();
  }

  get state() {
    return this.#facts.state;
  }

  get sessionId() {
    return this.#facts.sessionId;
  }

  get secondsLeft() {
    const { secondsLeft } = this.#facts;
    const elapsed = (performance.now() - this.#updatedAt) / 1000;
    return secondsLeft && Math.max(0, Math.round(secondsLeft - elapsed));
  }

  get place() {
    return this.#facts.place;
  }

  get problem() {
    return this.#facts.problem;
  }

  get utterances() {
    return this.#facts.utterances;
  }

  /** @type {FrameElement["start"]} */
  start() {
    return this.#call("start");
  }

  /** @type {FrameElement["speak"]} */
  async speak(text, options) {
    if (typeof text === "string") return this.#call("speak", text, options);
    const stream = (this.#count += 1);
    const parts = text[Symbol.asyncIterator]();
    this.#streams.set(stream, parts);
    try {
      return await this.#call("speakParts", stream, options);
    } finally {
      this.#streams.delete(stream);
      void parts.return?.();
    }
  }

  /** @type {FrameElement["speakAudio"]} */
  speakAudio(blob) {
    return this.#call("speakAudio", blob);
  }

  /** @type {FrameElement["interrupt"]} */
  interrupt() {
    return this.#call("interrupt");
  }

  /** @returns {Promise<void>} */
  end() {
    return this.#call("end");
  }

  /** @returns {Promise<void>} */
  leaveLine() {
    return this.#call("leaveLine");
  }

  /** @returns {Promise<void>} */
  unmute() {
    return this.#call("unmute");
  }

  get #address() {
    const address = new URL("/embed", BROKER);
    for (const [preset, attribute] of Object.entries({ ...PRESETS, text: "text" })) {
      const from = attribute === "lang" ? this.closest("[lang]") : this;
      const value = from?.getAttribute(attribute);
      if (value) address.searchParams.set(preset, value);
    }
    return address.href;
  }

  /**
   * @param {string} name
   * @param {unknown[]} given
   * @returns {Promise<any>}
   */
  async #call(name, ...given) {
    if (!this.isConnected) throw new Error(`<${NAME}> is not in a page`);
    await this.#answered;
    return this.#calls?.call(name, ...given);
  }

  /** Waits for another answer of the frame. */
  #begin() {
    const gone = new Error("The frame was left");
    this.#calls?.close(gone);
    this.#calls = null;
    this.#answer?.reject(gone);
    this.#answered = new Promise((resolve, reject) => (this.#answer = { resolve, reject }));
    this.#answered.catch(() => {}); // Each caller gets the rejection.
  }

  /** Says hello to what has loaded: the avatar's page, or an error in its place. */
  #greet() {
    if (this.#calls) this.#begin();
    this.#frame?.contentWindow?.postMessage(HELLO, BROKER);
    const refused = new Error(`${BROKER}/embed does not answer: its FRAME_ANCESTORS must name ${location.origin}`);
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#answer?.reject(refused), PATIENCE_MS);
  }

  /** @param {MessageEvent} message Of anyone. */
  #hear({ data, origin, source, ports: [port] }) {
    if (data !== WELCOME || origin !== BROKER || source !== this.#frame?.contentWindow || !port) return;
    clearTimeout(this.#patience);
    this.#calls = new PortCalls(port, {
      getAuthToken: (asked) => this.getAuthToken?.(asked),
      nextPart: (stream) => this.#streams.get(stream)?.next(),
      update: (facts) => this.#update(facts),
      dispatch: (name, detail) => this.#dispatch(name, detail),
    });
    this.#answer?.resolve();
  }

  /** @param {AvatarFacts} facts */
  #update(facts) {
    this.#facts = facts;
    this.#updatedAt = performance.now();
  }

  /**
   * @param {string} name
   * @param {object} detail
   */
  #dispatch(name, detail) {
    this.dispatchEvent(new CustomEvent(`avatar-${name}`, { detail, bubbles: true, composed: true }));
  }
}

// Neither on a server that renders pages, nor a second time on a page.
if (globalThis.customElements && !customElements.get(NAME)) customElements.define(NAME, KalturaAvatarFrame);
