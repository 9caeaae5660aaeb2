import { Problem } from "../shared/broker/problems.js";
import { sentences } from "../shared/speech/captions/sentences.js";
import { secondsOf } from "./audio-duration.js";
import { AvatarAttributes } from "./avatar-attributes.js";
import { ElementRuntime } from "./element-runtime.js";
import { dispatch, mediaElement, showState, upgradeProperties } from "./host.js";
import { SessionFacts } from "./session-facts.js";
import { style } from "./style/style.js";

export const NAME = "kaltura-avatar";

/** What a session is opened with: one that is open stays as it is, and the next one is another. */
const IDENTITY = ["broker", "player"];

/**
 * @typedef {import("../shared/broker/caller.js").GetAuthToken} GetAuthToken
 * @typedef {import("../shared/session/session-controller.js").FetchSession} FetchSession
 * @typedef {import("../shared/broker/broker-api.js").Spoken} Spoken
 * @typedef {import("../shared/session/player-loader.js").ImportPlayer} ImportPlayer
 * @typedef {import("./presenter.js").ProblemWords} ProblemWords
 * @typedef {import("./session-facts.js").AvatarState} AvatarState
 * @typedef {import("../../types/kaltura-avatar").KalturaAvatarElement} KalturaAvatarElement
 */

/**
 * `<kaltura-avatar>`: an avatar of a broker, on any page.
 *
 * @implements {KalturaAvatarElement}
 */
export class KalturaAvatar extends AvatarAttributes {
  static observedAttributes = ["broker", "controls", "lang", "captions", "muted", "poster", "player"];

  /** @type {GetAuthToken | undefined} */
  #getAuthToken;
  /** @type {FetchSession | undefined} */
  #fetchSession;
  /** @type {Record<string, string>} */
  #strings = {};
  /** @type {typeof globalThis.fetch | undefined} */
  #fetch;
  /** @type {string[]} */
  #examples = [];
  /** In place of the element's own words for problems. @type {ProblemWords | undefined} */
  problemWords;
  /** Imports the SDK in place of where the broker says. @type {ImportPlayer | undefined} */
  importSdk;
  #facts = new SessionFacts();
  #internals = this.attachInternals?.();
  #root = this.attachShadow({ mode: "open" });
  /** @type {ElementRuntime | null} */
  #runtime = null;
  /** Whether the next session is to be opened with something else. */
  #isStale = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #leaving;

  constructor() {
    super();
    style(this.#root);
    this.#facts.on("state", () => this.#show());
    this.#facts.on("told", ({ name, detail }) => dispatch(this, name, detail));
  }

  connectedCallback() {
    clearTimeout(this.#leaving);
    // A video that is moved in the page is paused by the browser.
    if (this.#runtime) return this.#runtime.presenter.view.stage.playOn();
    // Whoever puts it into the page may yet set its properties.
    queueMicrotask(() => {
      if (!this.isConnected || this.#runtime) return;
      upgradeProperties(this);
      void this.#begin().recover();
    });
  }

  /** Moved by `moveBefore`: nothing has changed. */
  connectedMoveCallback() {}

  // Moved, or mounted twice, it is back at once; else it is gone.
  disconnectedCallback() {
    clearTimeout(this.#leaving);
    this.#leaving = setTimeout(() => {
      if (!this.isConnected) this.#leave();
    });
  }

  /** @param {string} name */
  attributeChangedCallback(name) {
    const runtime = this.#runtime;
    if (!runtime) return;
    if (IDENTITY.includes(name)) this.#renew();
    else if (name === "controls") runtime.showControls();
    else if (name === "lang") void runtime.translate();
    else if (name === "poster") runtime.showPoster();
    else this.#proposeLook();
  }

  // Functions and words.

  get getAuthToken() {
    return this.#getAuthToken;
  }

  set getAuthToken(value) {
    const isOther = Boolean(value) !== Boolean(this.#getAuthToken);
    this.#getAuthToken = value;
    if (isOther) this.#renew();
  }

  get fetchSession() {
    return this.#fetchSession;
  }

  set fetchSession(value) {
    this.#fetchSession = value;
    this.#renew();
  }

  /** In place of the browser's own. */
  get fetch() {
    return this.#fetch;
  }

  set fetch(value) {
    this.#fetch = value;
  }

  get strings() {
    return this.#strings;
  }

  set strings(value) {
    this.#strings = value;
    void this.#runtime?.translate();
  }

  /** Texts that a visitor may have put into the box, one after the other. */
  get examples() {
    return this.#examples;
  }

  set examples(value) {
    this.#examples = value;
    this.#runtime?.showControls();
  }

  // What there is to know.

  /** @returns {AvatarState} */
  get state() {
    return this.#facts.state;
  }

  get sessionId() {
    return this.#facts.sessionId;
  }

  get secondsLeft() {
    return this.#facts.secondsLeft;
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

  get catalog() {
    return this.#runtime?.catalog ?? null;
  }

  // What it can be told to do.

  /**
   * Loads the player ahead of a start; where none can be had, the visitor is told at once.
   *
   * @returns {Promise<"builtin" | "sdk" | null>} Which player it is.
   */
  async preload() {
    await null; // As when it is put into a page: its properties may yet be set.
    return this.#required.preload();
  }

  /**
   * Opens a session, as a click on Start does.
   *
   * @returns {Promise<AvatarState>} How it is then: `live`, or why not.
   */
  async start() {
    if (this.#isStale) this.#renew();
    await this.#required.presenter.start();
    return this.state;
  }

  /**
   * Says a text; parts of one that is still being written are said sentence by sentence.
   *
   * @param {string | AsyncIterable<string>} text
   * @param {{turnId?: string}} [options]
   * @returns {Promise<Spoken | null>} Of the last sentence; null when there was nothing to say, or
   *   `avatar-beforespeak` was cancelled. Rejects with a `Problem`.
   */
  async speak(text, { turnId } = {}) {
    const { presenter } = this.#required;
    if (typeof text === "string") return this.#maySpeak(text) ? presenter.conversation.send(text, turnId) : null;
    /** @type {Spoken | null} */
    let last = null;
    let rest = "";
    for await (const part of text) {
      const found = sentences(rest + part);
      rest = found.pop() ?? "";
      for (const sentence of found) last = await this.speak(sentence);
    }
    return rest.trim() ? this.speak(rest, { turnId }) : last;
  }

  /**
   * Says a recording.
   *
   * @param {Blob} blob
   * @returns {Promise<Spoken>} Rejects with a `Problem`.
   */
  async speakAudio(blob) {
    const seconds = await secondsOf(blob);
    return this.#required.presenter.conversation.sendAudio({ blob, seconds });
  }

  /** Stops what is being said and what waits. */
  async interrupt() {
    await this.#required.presenter.conversation.interrupt();
  }

  /** Ends the session. */
  end() {
    this.#runtime?.session.end();
  }

  /** Gives up the place in line. */
  leaveLine() {
    if (this.state === "waiting") this.end();
  }

  /** Lets the avatar be heard; a browser may want a click for that. */
  unmute() {
    this.muted = false;
    this.#runtime?.presenter.view.stage.turnSoundOn();
  }

  get #required() {
    if (this.#runtime) return this.#runtime;
    if (this.isConnected) return this.#begin();
    throw new Problem("session-ended", { title: "<kaltura-avatar> is not in a page" });
  }

  #begin() {
    const runtime = new ElementRuntime(this, this.#root, {
      container: this.player === "sdk" ? mediaElement(this) : null,
      mayStart: () => this.#mayStart(),
      maySpeak: (text) => this.#maySpeak(text),
    });
    this.#runtime = runtime;
    this.#facts.follow(runtime.session, runtime.presenter);
    this.#show();
    this.#proposeLook();
    return runtime;
  }

  #mayStart() {
    if (!this.#isStale || this.#facts.isOpen) return dispatch(this, "beforestart", {}, { cancelable: true });
    void this.start();
    return false;
  }

  /** @param {string} text */
  #maySpeak(text) {
    return dispatch(this, "beforespeak", { text }, { cancelable: true });
  }

  #renew() {
    this.#isStale = this.#runtime !== null && this.#facts.isOpen;
    if (!this.#runtime || this.#isStale) return;
    this.#leave();
    this.#begin();
  }

  #leave() {
    this.#runtime?.leave();
    this.#runtime = null;
    this.#facts.reset();
  }

  #proposeLook() {
    this.#runtime?.presenter.view.playback.propose({ captions: this.captions === "on", muted: this.muted });
  }

  #show() {
    showState(this, this.#internals?.states, this.state);
  }
}
