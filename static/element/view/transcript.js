import { create } from "../../shared/dom.js";
import { writeText } from "../../shared/speech/captions/language-detection.js";
import { asText, asVtt } from "../../shared/speech/transcript-export.js";

const MOST_LINES = 100;

/**
 * @typedef {import("../../shared/speech/transcript-export.js").ExportWords & {fate: (line: Line) => string, retry: string}}
 *   LineWords What to say of a line.
 */

/**
 * @typedef {import("../../shared/speech/speech-tracker.js").Line} Line
 * @typedef {{transcript: HTMLElement, lines: HTMLElement, saveText: HTMLElement, saveVtt: HTMLElement}} TranscriptElements
 */

/** What was asked to be said, newest first, each line with what became of it. */
export class Transcript {
  #section;
  #list;
  #words;
  #onRetry;
  /** @type {Line[]} Oldest first. */
  #lines = [];
  /** @type {WeakMap<Line, HTMLElement>} */
  #items = new WeakMap();
  /** When its time begins. @type {number | null} */
  #origin = null;

  /**
   * @param {TranscriptElements} elements
   * @param {LineWords} words
   * @param {(line: Line) => void} onRetry A line that failed shall be tried once more.
   */
  constructor({ transcript, lines, saveText, saveVtt }, words, onRetry) {
    this.#section = transcript;
    this.#list = lines;
    this.#words = words;
    this.#onRetry = onRetry;
    const files = /** @type {[HTMLElement, string, typeof asText][]} */ ([
      [saveText, "transcript.txt", asText],
      [saveVtt, "transcript.vtt", asVtt],
    ]);
    for (const [button, name, made] of files)
      button.addEventListener("click", () => save(name, made(this.#lines, this.#origin ?? 0, words)));
  }

  /**
   * The avatar is there: from its first time on, times are counted.
   *
   * @param {number} [since] In milliseconds of `performance.now`; of a page before this one, less than 0.
   */
  begin(since = performance.now()) {
    this.#origin = Math.min(this.#origin ?? since, since);
  }

  /** @param {Line} line */
  add(line) {
    const item = create("li", {}, create("p", { class: "words" }), create("p", { class: "fate" }));
    this.#items.set(line, item);
    this.#lines = [...this.#lines, line].slice(-MOST_LINES);
    const { scrollTop } = this.#list;
    const before = this.#list.scrollHeight;
    this.#list.prepend(item);
    // Whoever reads further down goes on reading there.
    if (scrollTop > 0) this.#list.scrollTop = scrollTop + this.#list.scrollHeight - before;
    while (this.#list.childElementCount > MOST_LINES) this.#list.lastElementChild?.remove();
    this.#section.hidden = false;
    this.update(line);
  }

  /** @param {Line} line */
  update(line) {
    const item = this.#items.get(line);
    if (!item) return;
    const [words, fate] = /** @type {[HTMLElement, HTMLElement]} */ ([...item.children]);
    writeText(words, line.text);
    const isNew = item.dataset.fate !== line.state;
    item.dataset.fate = line.state;
    fate.textContent = this.#words.fate(line);
    if (isNew && line.state === "failed" && line.seconds === undefined) item.append(this.#retry(line));
    if (isNew && line.state === "speaking") this.#keepInSight(item);
  }

  // Only the list is scrolled, and never the page.
  /** @param {HTMLElement} item */
  #keepInSight(item) {
    const [seen, wanted] = [this.#list.getBoundingClientRect(), item.getBoundingClientRect()];
    this.#list.scrollTop += Math.min(0, wanted.top - seen.top) || Math.max(0, wanted.bottom - seen.bottom);
  }

  /** @param {Line} line */
  #retry(line) {
    const made = create("button", { type: "button", class: "quiet" }, this.#words.retry);
    made.addEventListener("click", () => {
      made.remove();
      this.#onRetry(line);
    });
    return made;
  }
}

/**
 * @param {string} name
 * @param {string} content
 */
function save(name, content) {
  const link = document.createElement("a");
  link.download = name;
  link.href = URL.createObjectURL(new Blob([content], { type: "text/plain" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
