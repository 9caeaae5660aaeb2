import { byId } from "./stage.js";

const MOST_LINES = 100;

/** @typedef {import("./speech.js").Line} Line */

/** What was asked to be said, newest first, each line with its fate and its milliseconds. */
export class Transcript {
  #section = byId("transcript");
  #list = byId("lines");
  /** @type {WeakMap<Line, HTMLElement>} */
  #items = new WeakMap();

  /**
   * @param {string} text
   * @returns {Line}
   */
  add(text) {
    /** @type {Line} */
    const line = { text, fate: "sending", ms: null, reason: "" };
    const item = document.createElement("li");
    item.append(element("p", "words", text), element("p", "fate", ""));
    this.#items.set(line, item);
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
 * @param {string} tag
 * @param {string} className
 * @param {string} text
 */
function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
