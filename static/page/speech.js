import { Tempo } from "./tempo.js";

const SETTLE_MS = 900;
const PATIENCE_MS = 3000;
const LEAST_TURN_MS = 800;
const LONG_MS = 2500;

/**
 * `seconds` is the length of a recording, whose words are not known; `cues` is what was shown.
 *
 * @typedef {"sending" | "accepted" | "queued" | "speaking" | "said" | "stopped" | "failed"} Fate
 * @typedef {import("./captions.js").Cue} Cue
 * @typedef {{text: string, fate: Fate, ms: number | null, reason: string, turnId?: string, seconds?: number, cues?: Cue[]}} Line
 * @typedef {{show: (text: string, again: boolean) => Cue[], hide: () => void}} Captions
 */

/**
 * Which line is being said now, told from nothing but when a voice is heard.
 *
 * Kaltura reports no turn as begun or over (reference 1.1). Lines are said in the order in which
 * they were accepted; one after the other in one breath is told apart by how long each should
 * take, at the pace learnt so far. Where no voice is ever reported, a line stays "accepted".
 */
export class Speech {
  /** @type {Line[]} */
  #waiting = [];
  /** @type {Line | null} */
  #current = null;
  #voice = false;
  /** When the current line began, and when the voice did; milliseconds of `performance.now`. */
  #lineSince = 0;
  #voiceSince = 0;
  /** @type {Line[]} What was said since the voice began. */
  #voiced = [];
  /** @type {Line | null} Whose words are shown although no voice is heard. */
  #unheard = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} What happens next if nothing is heard. */
  #timer;
  #onChange;
  #captions;
  #tempo;

  /**
   * @param {(line: Line) => void} onChange
   * @param {Captions} captions
   * @param {Tempo} [tempo]
   */
  constructor(onChange, captions, tempo = new Tempo()) {
    this.#onChange = onChange;
    this.#captions = captions;
    this.#tempo = tempo;
  }

  /**
   * @param {Line} line
   * @param {"accepted" | "queued"} [fate] "queued" is what the broker says later.
   */
  accepted(line, fate = "accepted") {
    this.#waiting.push(line);
    this.#fate(line, fate);
    if (this.#voice) this.#awaitTurn();
    else if (!this.#current && this.#waiting.length === 1) this.#captionUnheard(line);
  }

  /** @param {boolean} voice */
  heard(voice) {
    this.#voice = voice;
    if (!voice) this.#awaitSilence();
    else if (this.#current) this.#awaitTurn();
    else this.#begin();
  }

  /**
   * A line that waited will not be said.
   *
   * @param {Line} line
   * @param {"stopped" | "failed"} fate
   */
  dropped(line, fate) {
    const index = this.#waiting.indexOf(line);
    if (index < 0) return;
    this.#waiting.splice(index, 1);
    this.#fate(line, fate);
  }

  /** Whether a voice is heard that says none of the lines. */
  get isUnexplained() {
    return this.#voice && !this.#current && this.#waiting.length === 0;
  }

  /** Nothing that was accepted so far will be said any more. */
  stopped() {
    clearTimeout(this.#timer);
    this.#finish("stopped");
    this.#dismiss("stopped");
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
    this.#current = line;
    this.#lineSince = performance.now();
    this.#voiced.push(line);
    this.#fate(line, "speaking");
    line.cues = this.#captions.show(line.text, line === this.#unheard);
    this.#unheard = null;
    this.#awaitTurn();
  }

  // Two lines in one breath: the second begins when the first should be over.
  #awaitTurn() {
    clearTimeout(this.#timer);
    if (!this.#current || this.#waiting.length === 0) return;
    const elapsed = performance.now() - this.#lineSince;
    this.#after(Math.max(LEAST_TURN_MS, this.#expected(this.#current) - elapsed), () => this.#next());
  }

  // A long line of which little was heard goes on: the next sentence takes its time to come.
  #awaitSilence() {
    const expected = this.#current ? this.#expected(this.#current) : 0;
    const isEarly = expected > LONG_MS && performance.now() - this.#lineSince < expected / 2;
    const ms = isEarly ? PATIENCE_MS : SETTLE_MS;
    this.#after(ms, () => this.#silence(ms));
  }

  /** @param {number} silentMs How long it has been silent. */
  #silence(silentMs) {
    if (this.#current && this.#waiting.length === 0) this.#learn(silentMs);
    this.#finish("said");
    // What still waits either begins soon, or was said sooner than expected.
    this.#after(PATIENCE_MS, () => this.#dismiss("said"));
  }

  /** @param {number} silentMs */
  #learn(silentMs) {
    if (this.#voiced.some(({ seconds }) => seconds !== undefined)) return;
    const text = this.#voiced.map((line) => line.text).join(" ");
    this.#tempo.learn(text, performance.now() - this.#voiceSince - silentMs);
  }

  // Words are shown even where no voice is reported, for as long as they should take.
  /** @param {Line} line */
  #captionUnheard(line) {
    this.#unheard = line;
    line.cues = this.#captions.show(line.text, false);
    this.#after(PATIENCE_MS + this.#expected(line), () => this.#captions.hide());
  }

  /** @param {Line} line */
  #expected({ text, seconds }) {
    return seconds === undefined ? this.#tempo.expected(text) : seconds * 1000;
  }

  /**
   * @param {number} ms
   * @param {() => void} action
   */
  #after(ms, action) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, ms);
  }

  /** @param {"said" | "stopped"} fate */
  #finish(fate) {
    this.#captions.hide();
    if (this.#current) this.#fate(this.#current, fate);
    this.#current = null;
  }

  /** @param {"said" | "stopped"} fate */
  #dismiss(fate) {
    for (const line of this.#waiting.splice(0)) this.#fate(line, fate);
  }

  /**
   * @param {Line} line
   * @param {Fate} fate
   */
  #fate(line, fate) {
    line.fate = fate;
    this.#onChange(line);
  }
}
