import { write } from "./languages.js";
import { asText, asVtt } from "./papers.js";
import { byId } from "./stage.js";

const MOST_LINES = 100;

/** @typedef {import("./speech.js").Line} Line */

/** What was asked to be said, newest first, each line with its fate and its milliseconds. */
export class Transcript {
  #section = byId("transcript");
  #list = byId("lines");
  /** @type {Line[]} Oldest first. */
  #lines = [];
  /** @type {WeakMap<Line, HTMLElement>} */
  #items = new WeakMap();
  /** When its time begins. @type {number | null} */
  #origin = null;

  constructor() {
    const files = /** @type {[string, string, (lines: Line[], origin: number) => string][]} */ ([
      ["transcript-text", "transcript.txt", asText],
      ["transcript-vtt", "transcript.vtt", asVtt],
    ]);
    for (const [id, name, made] of files)
      byId(id).addEventListener("click", () => save(name, made(this.#lines, this.#origin ?? 0)));
  }

  /** The avatar is there: from its first time on, times are counted. */
  begin() {
    this.#origin ??= performance.now();
  }

  /**
   * @param {string} text
   * @param {number} [seconds] The length of a recording.
   * @returns {Line}
   */
  add(text, seconds) {
    /** @type {Line} */
    const line = { text, fate: "sending", ms: null, reason: "", seconds };
    const item = document.createElement("li");
    item.append(paragraph("words", text), paragraph("fate", ""));
    this.#items.set(line, item);
    this.#lines = [...this.#lines, line].slice(-MOST_LINES);
    this.#list.prepend(item);
    while (this.#list.childElementCount > MOST_LINES) this.#list.lastElementChild?.remove();
    this.#section.hidden = false;
    this.update(line);
    return line;
  }

  /** @param {Line} line */
  update(line) {
    const item = this.#items.get(line);
    const fate = item?.querySelector(".fate");
    if (!item || !fate) return;
    item.dataset.fate = line.fate;
    const parts = [line.fate, line.reason, line.ms === null ? "" : `${line.ms} ms`];
    fate.textContent = parts.filter(Boolean).join(" · ");
  }
}

/**
 * @param {string} className
 * @param {string} text
 */
function paragraph(className, text) {
  const made = document.createElement("p");
  made.className = className;
  if (className === "words") write(made, text);
  return made;
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
