import { BrokerApi } from "../shared/broker/broker-api.js";
import { Problem } from "../shared/broker/problems.js";
import { displayIn } from "../shared/session/avatar-player.js";
import { loadPlayer } from "../shared/session/player-loader.js";
import { SessionController } from "../shared/session/session-controller.js";
import { TabStorage } from "../shared/tab-storage.js";
import { BrokerConfig } from "./broker-config.js";
import { directionOf, translationFor } from "./languages.js";
import { LineWords } from "./words/line-words.js";
import { markup } from "./markup.js";
import { Presenter } from "./presenter.js";
import { importSdk } from "./sdk.js";
import { ProblemWords } from "./words/problem-words.js";
import { Words } from "./words/words.js";

/**
 * @typedef {import("./kaltura-avatar.js").KalturaAvatar} KalturaAvatar
 * @typedef {{
 *   container: HTMLElement | null,
 *   mayStart: () => boolean,
 *   maySpeak: (text: string) => boolean,
 * }} RuntimeParts `container` is an element of the page for the player's video; null: the shadow root has one.
 */

/** What one `<kaltura-avatar>` is made of from when it is put into a page until it is taken away. */
export class ElementRuntime {
  presenter;
  session;
  #host;
  #config;
  /** @type {import("./broker-config.js").PublicConfig | null} Not known yet. */
  #settings = null;
  /** What may be chosen; asked for where there is a picker. @type {import("./broker-config.js").PublicCatalog | null} */
  catalog = null;
  #hasPicker = false;
  #words = new Words();
  #elements;
  #content;
  #isSdk;
  /** @type {Promise<import("../shared/session/player-loader.js").Player> | null} */
  #loading = null;
  #over = new AbortController();
  /** How often a language was asked for. */
  #asked = 0;

  /**
   * @param {KalturaAvatar} host
   * @param {ShadowRoot} root
   * @param {RuntimeParts} parts
   */
  constructor(host, root, { container, mayStart, maySpeak }) {
    this.#host = host;
    const { broker, getAuthToken, fetchSession } = host;
    /** @type {typeof globalThis.fetch} */
    const fetch = (...request) => (host.fetch ?? globalThis.fetch)(...request);
    this.#config = new BrokerConfig(broker, fetch);
    const { elements, content } = markup(this.#words);
    this.#elements = { ...elements, container: container ?? elements.container };
    this.#content = content;
    this.#isSdk = container !== null;
    root.replaceChildren(content);
    const problemWords = host.problemWords ?? new ProblemWords(this.#words);
    const api = new BrokerApi({ broker, fetch, ...(getAuthToken && { getAuthToken: async (asked) => host.getAuthToken?.(asked) }) });
    this.session = new SessionController(api, this.#display(), fetchSession && { fetchSession });
    this.presenter = new Presenter({
      session: this.session,
      elements: this.#elements,
      words: this.#words,
      problemWords,
      lineWords: new LineWords(this.#words, problemWords),
      storage: new TabStorage(`kaltura-avatar ${broker} `),
      examples: () => host.examples,
      choice: () => ({ avatarId: host.avatarId || undefined, voiceId: host.voiceId || undefined }),
      mayStart,
      maySpeak,
    });
    this.presenter.followPage(host, this.#over.signal);
    this.#elements.startSlot.addEventListener("click", ({ target }) => {
      if (target !== this.#elements.start) void this.presenter.start();
    });
    this.showControls();
    this.showPoster();
    void this.translate();
    void this.#settled().catch(() => {}); // Whoever starts a session is told.
  }

  /** Takes up what the page before this one left, if it did. */
  async recover() {
    if (this.#host.autoresume) this.session.resumable.on("found", () => void this.session.start());
    await this.session.recover();
  }

  /**
   * Loads the player ahead of a start.
   *
   * @returns {Promise<"builtin" | "sdk" | null>} Null: there is none, as the visitor is told.
   */
  async preload() {
    try {
      return (await this.#player()).kind;
    } catch (error) {
      this.presenter.tellAtOnce(Problem.fromPlayer(error));
      return null;
    }
  }

  /** Leaves the session for whoever comes next, and is over. */
  leave() {
    this.presenter.leave();
    this.#over.abort();
    this.presenter.close();
    this.presenter.view.stage.silence();
  }

  /** Speaks the language that is wanted now. */
  async translate() {
    const asked = (this.#asked += 1);
    const { language, texts } = await translationFor(this.#host);
    if (asked !== this.#asked) return; // Another language is wanted by now.
    this.#words.become(language, { ...texts, ...this.#host.strings });
    this.#content.lang = language;
    this.#content.dir = directionOf(language);
  }

  /** Shows the controls that the page wants and the broker allows, as far as that is known. */
  showControls() {
    const wanted = new Set(this.#host.controls.split(/\s+/));
    const allows = (/** @type {"speak" | "interrupt" | "end"} */ control) => this.#settings?.controls.includes(control) ?? true;
    const { start, stop, end, decline, fullScreen, captionsButton, captionSize } = this.#elements;
    const { rail, introduction, composer, example, tools, transcript } = this.#elements;
    start.hidden = !wanted.has("start");
    stop.hidden = !wanted.has("stop") || !allows("interrupt");
    end.hidden = !wanted.has("end") || !allows("end");
    decline.hidden = !allows("end");
    fullScreen.hidden = !wanted.has("fullscreen") || !document.fullscreenEnabled;
    captionsButton.hidden = captionSize.hidden = !wanted.has("captions");
    example.hidden = this.#host.examples.length === 0;
    composer.hidden = !wanted.has("composer") || !allows("speak");
    for (const slot of [introduction, tools]) slot.hidden = !this.#host.querySelector(`:scope > [slot=${slot.name}]`);
    if (wanted.has("picker")) void this.#offerChoice().catch(() => {}); // What can't be chosen need not be.
    if (!wanted.has("transcript")) transcript.remove();
    else if (!transcript.parentNode) rail.append(transcript);
  }

  /** Loads the picker where there is a choice; it hides itself as the controls and the state want it. */
  async #offerChoice() {
    const catalog = (this.catalog = await this.#config.catalog());
    if (this.#hasPicker || Math.max(catalog.avatars.length, catalog.voices.length) < 2) return;
    this.#hasPicker = true;
    // Not a literal, so that a bundle leaves it where it is.
    const { Picker } = await import(new URL("./picker/picker.js", import.meta.url).href);
    new Picker(this.#host, this.#words, catalog).place(this.#elements.introduction, this.#over.signal);
  }

  showPoster() {
    const { poster } = this.#elements;
    poster.hidden = !this.#host.poster;
    if (this.#host.poster) poster.src = this.#host.poster;
  }

  #display() {
    const { container } = this.#elements;
    return displayIn(() => this.#player(), {
      containerId: container.id,
      ...(!this.#isSdk && { element: container }),
      clear: () => this.presenter.view.stage.clear(),
      playable: () => this.presenter.view.stage.playable(),
    });
  }

  /** The player, which is loaded once, and again after a failure. */
  #player() {
    this.#loading ??= this.#loadPlayer().catch((error) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  }

  async #loadPlayer() {
    const { player, builtinPlayerUrl, sdkUrl, sdkIntegrity } = await this.#settled();
    const url = new URL(builtinPlayerUrl, this.#host.broker).href;
    const ofBroker = () => (this.#isSdk && sdkUrl ? importSdk(sdkUrl, sdkIntegrity ?? null) : import(url));
    const wanted = (this.#isSdk && this.#host.importSdk) || ofBroker;
    return loadPlayer({ player: this.#isSdk ? player : "builtin", builtinPlayerUrl: url }, wanted);
  }

  /** The broker's settings, shown in the view from then on; rejects with a `Problem`. */
  async #settled() {
    const settings = await this.#config.load();
    this.#settings = settings;
    this.presenter.view.composer.limit(settings.maxTextLength);
    this.showControls();
    return settings;
  }
}
