import { Problem } from "../shared/broker/problems.js";
import { Emitter } from "../shared/emitter.js";
import { Captions } from "../shared/speech/captions/captions.js";
import { Conversation } from "../shared/speech/conversation.js";
import { SpeakingRate } from "../shared/speech/speaking-rate.js";
import { SpeechTracker } from "../shared/speech/speech-tracker.js";
import { VoiceActivityDetector } from "../shared/speech/voice-activity.js";
import { formatDuration } from "../shared/duration.js";
import { Alerts } from "./view/alerts.js";
import { View } from "./view/view.js";

/** How long one may be asked to wait beside a button that counts down. */
const PATIENCE_SECONDS = 120;

/** So many seconds may still be called a minute. */
const FULL_MINUTE = 55;

/**
 * @typedef {import("../shared/session/session-controller.js").SessionController} SessionController
 * @typedef {import("../shared/session/session-controller.js").State} State
 * @typedef {import("../shared/broker/broker-api.js").OpenedSession} OpenedSession
 * @typedef {import("../shared/speech/speech-tracker.js").Line} Line
 * @typedef {import("./view/notice.js").NoticeContent} NoticeContent
 * @typedef {import("./view/notice.js").Remedy} Remedy
 * @typedef {{title: (problem: Problem) => string, advice: (problem: Problem) => string, reasonOf: (line: Line) => string}} ProblemWords
 * @typedef {{
 *   session: SessionController,
 *   elements: import("./view/view.js").ViewElements,
 *   words: import("./words/words.js").Words,
 *   problemWords: ProblemWords,
 *   storage: import("../shared/tab-storage.js").TabStorage,
 *   lineWords: import("./view/transcript.js").LineWords,
 *   examples: () => string[],
 *   choice: () => import("../shared/session/waiting-ticket.js").Choice,
 *   mayStart: () => boolean,
 *   maySpeak: (text: string) => boolean,
 * }} PresenterParts `choice`: the avatar and the voice. `mayStart` and `maySpeak`: whether a click may have its way.
 * @typedef {{
 *   state: {state: State, problem?: Problem},
 *   line: Line,
 *   problem: Problem,
 *   timeLeft: number,
 *   soundBlocked: undefined,
 * }} PresenterEvents
 */

/**
 * Shows how a session is, and does what its visitor asks for.
 *
 * @extends {Emitter<PresenterEvents>}
 */
export class Presenter extends Emitter {
  conversation;
  view;
  #session;
  #words;
  #problemWords;
  #storage;
  #choice;
  #mayStart;
  #maySpeak;
  #alerts;
  #speech;
  #voiceActivity;
  /** What the page before this one knew of its speech. */
  #kept;

  /** @param {PresenterParts} parts */
  constructor({ session, words, problemWords, storage, choice, mayStart, maySpeak, ...parts }) {
    super();
    this.#session = session;
    this.#words = words;
    this.#problemWords = problemWords;
    this.#storage = storage;
    this.#choice = choice;
    this.#mayStart = mayStart;
    this.#maySpeak = maySpeak;
    const view = (this.view = new View(parts.elements, { words, storage, ...parts }, {
      start: () => void this.start(),
      stop: () => void this.interrupt(),
      end: () => session.end(),
      speak: (text) => this.speak(text),
      soundBlocked: () => this.emit("soundBlocked", undefined),
      lastMinute: (seconds) => this.#tellOfLastMinute(seconds),
      timeUp: () => void session.check(),
    }));
    this.#kept = storage.takeSpeech();
    this.#alerts = new Alerts((/** @type {NoticeContent | undefined} */ news) => view.notice.show(news));
    const speakingRate = new SpeakingRate();
    const captions = new Captions(view.caption, view.spoken, speakingRate);
    this.#speech = new SpeechTracker((line) => this.#changed(line), captions, speakingRate);
    this.#voiceActivity = new VoiceActivityDetector((voice) => this.#speech.heard(voice, true));
    this.conversation = new Conversation(session, this.#speech, {
      added: (line) => this.#added(line),
      accepted: () => this.#calm("call"),
      trouble: (problem, line) => (line.state === "unclear" ? this.#tellUnclear(problem) : this.tell(problem)),
      returned: (text) => view.composer.restore(text),
    }, (seconds) => [words.of("recording"), seconds && formatDuration(seconds)].filter(Boolean).join(", "));
    this.#follow();
  }

  /** Does what a click on Start does. */
  async start() {
    if (this.#mayStart()) await this.#session.start(this.#choice());
  }

  /**
   * Does what a click on Speak does.
   *
   * @param {string} text
   */
  speak(text) {
    if (this.#maySpeak(text)) void this.conversation.speak(text);
    else this.view.composer.restore(text);
  }

  async interrupt() {
    try {
      await this.conversation.interrupt();
      this.#calm("call");
    } catch (error) {
      this.tell(Problem.fromFailure(error), {
        label: this.#words.of("tryAgain"),
        run: () => void this.interrupt(),
      });
    }
  }

  /**
   * Tells of a call that failed and leaves the session as it is.
   *
   * @param {Problem} problem
   * @param {Remedy} [remedy]
   */
  tell(problem, remedy) {
    if (this.#session.state !== "live") return;
    // The session's signs of life tell when there is a connection again.
    const cause = problem.unanswered ? "connection" : "call";
    this.#alerts.raise(cause, this.#noticeOf(problem, remedy), remedy ? undefined : problem.retryAfter);
    this.#pass(problem);
  }

  /**
   * Tells of a problem that concerns no session.
   *
   * @param {Problem} problem
   */
  tellAtOnce(problem) {
    this.#alerts.raise("state", this.#noticeOf(problem, this.#remedyFor(problem)));
  }

  /**
   * Follows the page: how it comes and goes, its network, and Escape, which stops speech.
   *
   * @param {Pick<EventTarget, "addEventListener">} keys Where Escape counts.
   * @param {AbortSignal} signal Says that it is over.
   */
  followPage(keys, signal) {
    addEventListener("pagehide", () => this.leave(), { signal });
    addEventListener(
      "pageshow",
      ({ persisted }) => {
        if (persisted) this.#comeBack();
      },
      { signal },
    );
    addEventListener("online", () => void this.#session.check(), { signal });
    document.addEventListener("visibilitychange", () => this.#see(), { signal });
    keys.addEventListener("keydown", (event) => this.#press(/** @type {KeyboardEvent} */ (event)), { signal });
  }

  /** The page goes away: what it knows is kept for the next one. */
  leave() {
    this.#session.leave();
    this.#storage.saveSpeech(this.conversation.keep());
  }

  /** Stops what goes on by itself, for good. */
  close() {
    this.#voiceActivity.close();
    this.view.countdown.stop();
    this.view.waitingPanel.calm();
    this.#alerts.end();
    this.conversation.end();
  }

  /** The browser shows a page again that it had kept. */
  #comeBack() {
    this.#kept = this.#storage.takeSpeech();
    void this.#session.comeBack();
  }

  #see() {
    if (document.hidden) return;
    this.view.waitingPanel.calm();
    void this.#session.check();
  }

  /** @param {KeyboardEvent} event */
  #press({ key, isComposing, defaultPrevented }) {
    if (key === "Escape" && !isComposing && !defaultPrevented && this.view.canStop) void this.interrupt();
  }

  #follow() {
    const [session, view] = [this.#session, this.view];
    session.on("state", ({ state, problem }) => this.#become(state, problem));
    session.on("waiting", (wait) => view.waitingPanel.show(wait));
    session.resumable.on("found", (opened) => view.resumePanel.show(opened));
    session.resumable.on("gone", () => view.resumePanel.hide());
    session.on("opened", (opened) => this.#opened(opened));
    // The broker may be a moment behind its own clock; it is asked again rather than at once.
    session.on("timeLeft", (seconds) => {
      view.countdown.set(Math.max(seconds, 2));
      this.emit("timeLeft", seconds);
    });
    session.on("utterance", (utterance) => {
      if (utterance.state === "speaking") view.otherVoice.hidden = !utterance.fallback;
      this.conversation.hearOf(utterance);
    });
    session.on("trouble", ({ cause, problem }) => this.#trouble(cause, problem));
    session.on("speaking", (speaking) => {
      view.stage.speak(speaking);
      if (!this.#voiceActivity.hears) this.#speech.heard(speaking);
    });
  }

  /** @param {OpenedSession} opened */
  #opened(opened) {
    this.conversation.begin(opened, this.#kept);
    this.#kept = null;
    this.view.countdown.start(opened.secondsLeft);
  }

  /**
   * @param {State} state
   * @param {Problem} [problem]
   */
  #become(state, problem) {
    const { view } = this;
    view.stage.become(state);
    view.become(state, problem && state === "problem" ? this.#problemWords.title(problem) : "");
    view.waitingPanel.hide();
    view.playback.enable(state === "live");
    this.#alerts.end();
    if (state === "live") view.transcript.begin();
    view.composer.become(state);
    if (state === "live") {
      view.focusComposer();
      this.#voiceActivity.listen(view.stage.source);
      view.countdown.remind();
    } else view.focusStart();
    if (problem) this.#alerts.raise("state", this.#noticeOf(problem, this.#remedyFor(problem)));
    if (state !== "live") {
      this.#voiceActivity.close();
      view.stage.speak(false);
    }
    if (state === "ended" || state === "problem") {
      this.conversation.end();
      view.countdown.stop();
      view.waitingPanel.calm();
    }
    this.emit("state", { state, problem });
    if (problem) this.emit("problem", problem);
  }

  /** @param {Line} line */
  #added(line) {
    this.view.transcript.add(line);
    if (line.cues?.[0]) this.view.transcript.begin(line.cues[0].from);
    this.emit("line", line);
  }

  /**
   * Shows what has become of a line, and tells the broker what is heard of it.
   *
   * @param {Line} line
   */
  #changed(line) {
    this.view.transcript.update(line);
    if (this.conversation.isClear) this.#alerts.end("unclear");
    if (line.state === "speaking") void this.#session.heard(line.turnId, "started");
    if (line.state === "said") void this.#session.heard(line.turnId, "ended");
    this.emit("line", line);
  }

  /**
   * @param {"connection" | "picture"} cause
   * @param {Problem | null} problem Null when it is over.
   */
  #trouble(cause, problem) {
    if (this.#session.state !== "live") return;
    if (!problem) return this.#calm(cause);
    this.#alerts.raise(cause, this.#noticeOf(problem));
    this.#pass(problem);
  }

  /**
   * The answer to a text was lost: it is no failure, and not to be said again at once.
   *
   * @param {Problem} problem
   */
  #tellUnclear(problem) {
    const [title, words] = [this.#words.of("unclear"), this.#words.of("unclearWords")];
    this.#alerts.raise("unclear", { title, words, requestId: problem.requestId });
    this.#pass(problem);
  }

  /** @param {number | null} seconds Null when it is not the last minute after all. */
  #tellOfLastMinute(seconds) {
    if (seconds === null) return this.#alerts.end("time");
    const title = this.#words.of(seconds > FULL_MINUTE ? "minuteLeft" : "lessThanMinuteLeft");
    this.#alerts.raise("time", { title, words: this.#words.of("timeUp") });
  }

  /** @param {Problem} problem */
  #pass(problem) {
    this.view.status.pass(this.#problemWords.title(problem));
    this.emit("problem", problem);
  }

  /** @param {import("./view/alerts.js").Cause[]} causes That are over. */
  #calm(...causes) {
    this.#alerts.end(...causes);
    this.view.status.settle();
  }

  /**
   * @param {Problem} problem
   * @param {Remedy} [remedy]
   * @returns {NoticeContent}
   */
  #noticeOf(problem, remedy) {
    const words = this.#problemWords;
    return { title: words.title(problem), words: words.advice(problem), requestId: problem.requestId, remedy };
  }

  /**
   * What a click can do about a problem that keeps a session from being opened.
   *
   * @param {Problem} problem
   * @returns {Remedy | undefined}
   */
  #remedyFor(problem) {
    const { name, retryAfter = 0 } = problem;
    if (name === "too-many-sessions")
      return { label: this.#words.of("startHere"), run: () => void this.#session.startInstead(this.#choice()) };
    if (name === "player-failed") return { label: this.#words.of("reload"), run: () => location.reload() };
    if (!problem.mayPass || retryAfter >= PATIENCE_SECONDS) return undefined;
    return { label: this.#words.of("tryAgain"), seconds: retryAfter, run: () => void this.start() };
  }
}
