import { Composer } from "./composer.js";
import { Countdown } from "./countdown.js";
import { Notice } from "./notice.js";
import { PlaybackSettings } from "./playback-settings.js";
import { ResumePanel } from "./resume-panel.js";
import { Stage } from "./stage.js";
import { StatusLine } from "./status-line.js";
import { Transcript } from "./transcript.js";
import { WaitingPanel } from "./waiting-panel.js";

/**
 * @typedef {import("./composer.js").ComposerElements
 *   & import("./playback-settings.js").PlaybackElements
 *   & import("./transcript.js").TranscriptElements
 *   & Record<"container" | "sound" | "status" | "notice" | "otherVoice" | "caption" | "spoken" | "clock", HTMLElement>
 *   & Record<"waiting" | "place" | "estimate" | "leaveLine" | "offer" | "offerClock" | "resume" | "decline", HTMLElement>
 *   & Record<"start" | "stop" | "end", HTMLButtonElement>
 * } ViewElements
 * @typedef {{
 *   start: () => void,
 *   stop: () => void,
 *   end: () => void,
 *   speak: (text: string) => void,
 *   soundBlocked: () => void,
 *   lastMinute: (seconds: number | null) => void,
 *   timeUp: () => void,
 * }} ViewHandlers What a click asks for, and what the view itself finds out.
 * @typedef {{
 *   words: import("../words/words.js").Words,
 *   lineWords: import("./transcript.js").LineWords,
 *   storage: import("../../shared/tab-storage.js").TabStorage,
 *   examples: () => string[],
 * }} ViewParts
 */

/** Everything that shows a session, in the elements that `markup` makes. */
export class View {
  stage;
  status;
  notice;
  playback;
  transcript;
  composer;
  waitingPanel;
  resumePanel;
  countdown;
  #elements;
  /** Whether its visitor has been at it: nobody else's focus is taken away. */
  #isUsed = false;

  /**
   * @param {ViewElements} elements
   * @param {ViewParts} parts
   * @param {ViewHandlers} handlers
   */
  constructor(elements, { words, lineWords, storage, examples }, handlers) {
    this.#elements = elements;
    this.stage = new Stage(elements, handlers.soundBlocked);
    this.status = new StatusLine(elements.status, words);
    this.notice = new Notice(elements.notice, words);
    this.playback = new PlaybackSettings(elements, words, (sound) => this.stage.setSound(sound));
    this.transcript = new Transcript(elements, lineWords, (line) => {
      this.composer.withdraw(line.text);
      handlers.speak(line.text);
    });
    const { speak, start } = handlers;
    this.composer = new Composer(elements, words, storage, { onSpeak: speak, onPending: start }, examples);
    this.waitingPanel = new WaitingPanel(elements, words, handlers.end);
    this.resumePanel = new ResumePanel(elements, { onResume: start, onEnd: handlers.end });
    this.countdown = new Countdown(elements.clock, {
      onLastMinute: handlers.lastMinute,
      onZero: handlers.timeUp,
    });
    for (const event of ["focusin", "pointerdown"])
      this.#root.addEventListener(event, () => (this.#isUsed = true));
    elements.start.addEventListener("click", start);
    elements.stop.addEventListener("click", handlers.stop);
    elements.end.addEventListener("click", handlers.end);
  }

  get caption() {
    return this.#elements.caption;
  }

  get spoken() {
    return this.#elements.spoken;
  }

  get otherVoice() {
    return this.#elements.otherVoice;
  }

  /** Whether speech can be stopped by a click. */
  get canStop() {
    const { stop } = this.#elements;
    return !stop.disabled && !stop.hidden;
  }

  /**
   * @param {import("../../shared/session/session-controller.js").State} state
   * @param {string} [title] Of the problem.
   */
  become(state, title) {
    const { start, stop, end } = this.#elements;
    const isOpen = state === "connecting" || state === "live";
    start.disabled = isOpen;
    end.disabled = !isOpen;
    stop.disabled = state !== "live";
    this.status.become(state, title);
  }

  /** Has one write as soon as the avatar is there. */
  focusComposer() {
    if (this.#isUsed && this.#isNobodyElseFocused) this.composer.focus();
  }

  /** Gives Start the focus if what had it can't keep it. */
  focusStart() {
    const mayFocus = this.#isUsed && this.#isNobodyElseFocused && !isUsable(this.#root.activeElement);
    if (mayFocus) this.#elements.start.focus({ preventScroll: true });
  }

  get #root() {
    return /** @type {Document | ShadowRoot} */ (this.#elements.start.getRootNode());
  }

  get #isNobodyElseFocused() {
    const { activeElement, body } = document;
    if (activeElement === null || activeElement === body) return true;
    return this.#root.activeElement !== null;
  }
}

/**
 * Whether an element that has the focus may keep it.
 *
 * @param {Element | null} element
 */
function isUsable(element) {
  return element !== null && element.matches(":enabled") && element.getClientRects().length > 0;
}
