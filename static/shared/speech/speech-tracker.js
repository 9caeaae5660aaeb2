import { SpeakingRate } from "./speaking-rate.js";

const SETTLE_MS = 1300;
const PATIENCE_MS = 3000;
const LEAST_TURN_MS = 800;
const LONG_MS = 2500;

/** How many times as long as expected a line may take, where the pause behind it would be heard. */
const LATEST = 1.4;

/** A voice that goes on so long after Stop is a new one: detectors hold one for up to 650 ms. */
const STALE_MS = 700;

/**
 * `reason` says in English why a line failed or was stopped, and `cause` is the name of the problem.
 * `seconds` is the length of a recording, whose words are not known; `elapsed` says for how many
 * milliseconds a line was said on the page before this one; `cues` is what was shown.
 *
 * @typedef {import("./line-state.js").LineState} LineState
 * @typedef {import("./captions/captions.js").Cue} Cue
 * @typedef {{turnId: string, text: string, state: LineState, reason: string, cause?: string, seconds?: number, elapsed?: number, cues?: Cue[]}} Line
 * @typedef {{
 *   show: (text: string, how: {again?: boolean, elapsed?: number}) => Cue[],
 *   extend: (text: string) => void,
 *   heard: (voice: boolean) => boolean,
 *   hide: () => void,
 * }} CaptionDisplay
 */

/**
 * Which line is being said now, told from nothing but when a voice is heard.
 *
 * Kaltura reports no turn as begun or over (reference 1.1). Lines are said in the order in which
 * they are sent, and a voice may come before the answer does: so a line counts from when it is
 * sent, and a voice belongs to the oldest that was not said yet. Two lines in one breath are told
 * apart by the pause between them, or else by how long each should take. Where no voice is ever
 * reported, a line stays "accepted".
 */
export class SpeechTracker {
  /** @type {Line[]} */
  #waiting = [];
  /** @type {Line | null} */
  #current = null;
  #voice = false;
  /** Whether the voice that is heard began before any line that waits. */
  #isStale = false;
  /** Whether pauses are heard. */
  #hears = false;
  /** Milliseconds of `performance.now`: when the current line began, when the voice did and paused. */
  #lineSince = 0;
  #voiceSince = 0;
  #voiceUntil = -Infinity;
  /** @type {Line[]} The lines that were said since the voice began. */
  #voiced = [];
  /** @type {Line | null} Whose words are shown although no voice is heard. */
  #unheard = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} The timer for the next step if nothing is heard. */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #staleTimer;
  #onChange;
  #captions;
  #speakingRate;

  /**
   * @param {(line: Line) => void} onChange
   * @param {CaptionDisplay} captions
   * @param {SpeakingRate} [speakingRate]
   */
  constructor(onChange, captions, speakingRate = new SpeakingRate()) {
    this.#onChange = onChange;
    this.#captions = captions;
    this.#speakingRate = speakingRate;
  }

  /**
   * Notes that a line was sent, and may be heard from now on.
   *
   * @param {Line} line
   */
  sent(line) {
    this.#waiting.push(line);
    this.#setState(line, line.state);
    if (this.#voice && this.#current) this.#awaitTurn();
    else if (this.#voice && !this.#isStale) this.#distrust();
  }

  /**
   * Notes the state of a line that waits; lines that are heard or over do not change.
   *
   * @param {Line} line
   * @param {"accepted" | "queued" | "unclear"} state
   */
  told(line, state) {
    if (!this.#waiting.includes(line) || line.state === state) return;
    this.#setState(line, state);
    if (state === "unclear" || this.#voice || this.#current) return;
    if (this.#waiting.length === 1 && this.#unheard !== line) this.#captionUnheard(line);
  }

  /**
   * Notes the text of a line that is still being written.
   *
   * @param {Line} line
   * @param {string} text All that there is of it now.
   */
  grown(line, text) {
    if (!text.startsWith(line.text) || line.text === text) return;
    line.text = text;
    this.#onChange(line);
    if (line === (this.#current ?? this.#unheard)) this.#captions.extend(text);
  }

  /**
   * Notes that a line is over or will not be said; one that is heard goes on.
   *
   * @param {Line} line
   * @param {"said" | "stopped" | "failed"} state
   */
  dropped(line, state) {
    const index = this.#waiting.indexOf(line);
    if (index < 0) return;
    this.#waiting.splice(index, 1);
    if (line === this.#unheard) this.#hideUnheard();
    this.#setState(line, state);
  }

  /**
   * Notes that a line was refused; if it seemed to be heard, that was another line's voice.
   *
   * @param {Line} line
   */
  refused(line) {
    if (line !== this.#current) return this.dropped(line, "failed");
    this.#current = null;
    this.#captions.hide();
    this.#setState(line, "failed");
  }

  /**
   * @param {boolean} voice
   * @param {boolean} [finely] Whether the pauses between words are reported too.
   */
  heard(voice, finely = false) {
    const now = performance.now();
    const isOver = finely && this.#captions.heard(voice);
    this.#hears ||= finely;
    this.#voice = voice;
    if (!voice) {
      this.#voiceUntil = now;
      this.#trust();
      if (this.#current) this.#awaitSilence();
    } else if (this.#isStale) return;
    else if (!this.#current) this.#begin();
    else if (isOver && this.#waiting.length > 0 && this.#current.seconds === undefined) this.#next();
    else this.#awaitTurn();
  }

  /** The lines that are not over, oldest first. */
  get unsaid() {
    return this.#current ? [this.#current, ...this.#waiting] : [...this.#waiting];
  }

  /** The line that is being said, and for how many milliseconds; null without one. */
  get now() {
    return this.#current && { line: this.#current, elapsed: performance.now() - this.#lineSince };
  }

  /** Whether a voice is heard that says none of the lines. */
  get isUnexplained() {
    const sounds = this.#voice || performance.now() - this.#voiceUntil < STALE_MS;
    return sounds && !this.#current && this.#waiting.length === 0;
  }

  /**
   * Drops lines after a Stop; a voice that is still heard belongs to no other line.
   *
   * @param {Line[]} [lines] All that there is, when it is not told.
   */
  stopped(lines = this.unsaid) {
    clearTimeout(this.#timer);
    if (this.#current && lines.includes(this.#current)) this.#finish("stopped");
    for (const line of lines) this.dropped(line, "stopped");
    if (this.#voice) this.#distrust();
  }

  #begin() {
    this.#voiceSince = performance.now();
    this.#voiced = [];
    this.#next();
  }

  #next() {
    const line = this.#waiting.shift();
    if (!line) return;
    this.#finish("said");
    const { elapsed = 0 } = line;
    this.#current = line;
    this.#lineSince = performance.now() - elapsed;
    if (elapsed === 0) this.#voiced.push(line);
    this.#setState(line, "speaking");
    line.cues = this.#captions.show(line.text, { again: line === this.#unheard, elapsed });
    this.#unheard = null;
    this.#awaitTurn();
  }

  // Two lines in one breath: the second begins when the first should be over.
  #awaitTurn() {
    clearTimeout(this.#timer);
    if (!this.#current || this.#waiting.length === 0) return;
    const patience = this.#hears && this.#current.seconds === undefined ? LATEST : 1;
    const elapsed = performance.now() - this.#lineSince;
    const ms = patience * this.#expected(this.#current) - elapsed;
    this.#after(Math.max(LEAST_TURN_MS, ms), () => this.#next());
  }

  // A long line of which little was heard goes on: the next sentence takes its time to come.
  #awaitSilence() {
    const expected = this.#current ? this.#expected(this.#current) : 0;
    const isEarly = expected > LONG_MS && performance.now() - this.#lineSince < expected / 2;
    const accepted = this.#waiting.filter(({ state }) => state === "accepted");
    this.#after(isEarly ? PATIENCE_MS : SETTLE_MS, () => this.#silence(accepted));
  }

  /** @param {Line[]} accepted Before it fell silent. */
  #silence(accepted) {
    if (this.#current && this.#waiting.length === 0) this.#learn();
    this.#finish("said");
    // They either begin soon, or were said sooner than expected.
    this.#after(PATIENCE_MS, () => {
      for (const line of accepted) this.dropped(line, "said");
    });
  }

  #learn() {
    if (this.#voiced.length === 0 || this.#voiced.some(({ seconds }) => seconds !== undefined)) return;
    const text = this.#voiced.map((line) => line.text).join(" ");
    this.#speakingRate.learn(text, this.#voiceUntil - this.#voiceSince);
  }

  // Words are shown even where no voice is reported, for as long as they should take.
  /** @param {Line} line */
  #captionUnheard(line) {
    this.#unheard = line;
    line.cues = this.#captions.show(line.text, {});
    this.#after(PATIENCE_MS + this.#expected(line), () => this.#captions.hide());
  }

  #hideUnheard() {
    this.#unheard = null;
    if (!this.#current) this.#captions.hide();
  }

  // The voice that is heard is taken for that of a line that waits only if it goes on for long.
  #distrust() {
    this.#isStale = true;
    clearTimeout(this.#staleTimer);
    this.#staleTimer = setTimeout(() => {
      this.#trust();
      if (this.#voice && !this.#current) this.#begin();
    }, STALE_MS);
  }

  #trust() {
    clearTimeout(this.#staleTimer);
    this.#isStale = false;
  }

  /** @param {Line} line */
  #expected({ text, seconds }) {
    return seconds === undefined ? this.#speakingRate.expected(text) : seconds * 1000;
  }

  /**
   * @param {number} ms
   * @param {() => void} action
   */
  #after(ms, action) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, ms);
  }

  /** @param {"said" | "stopped"} state */
  #finish(state) {
    this.#captions.hide();
    if (this.#current) this.#setState(this.#current, state);
    this.#current = null;
  }

  /**
   * @param {Line} line
   * @param {LineState} state
   */
  #setState(line, state) {
    line.state = state;
    this.#onChange(line);
  }
}
