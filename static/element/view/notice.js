import { create } from "../../shared/dom.js";

/**
 * What a click can do about a problem, at once or only after so many seconds.
 *
 * @typedef {{label: string, seconds?: number, run: () => void}} Remedy
 * @typedef {{title: string, words: string, requestId?: string, remedy?: Remedy}} NoticeContent
 */

/** Says what happened and what to do next. It lies over the stage, so that nothing moves for it. */
export class Notice {
  #element;
  #words;

  /**
   * @param {HTMLElement} element
   * @param {import("../words/words.js").Words} words
   */
  constructor(element, words) {
    this.#element = element;
    this.#words = words;
  }

  /** @param {NoticeContent | undefined} news Nothing when there is none any more. */
  show(news) {
    this.#element.hidden = !news;
    this.#element.replaceChildren();
    if (!news) return;
    this.#element.append(
      create("p", { class: "title", part: "notice-title" }, news.title),
      create("p", { class: "words" }, news.words),
    );
    if (news.remedy) this.#element.append(this.#button(news.remedy));
    if (news.requestId) this.#element.append(this.#request(news.requestId));
  }

  /**
   * What to tell the operator; one click selects the id alone, to be copied.
   *
   * @param {string} id
   */
  #request(id) {
    const [before = "", after = ""] = this.#words.of("request", { id: "\n" }).split("\n");
    return create("p", { class: "request" }, before, create("code", {}, id), after);
  }

  /** @param {Remedy} remedy */
  #button({ label, seconds = 0, run }) {
    // Every second would be announced: a notice is an alert.
    const made = create("button", { type: "button", "aria-live": "off", part: "button", onclick: run });
    const ready = performance.now() + seconds * 1000;
    const count = () => {
      const left = Math.ceil((ready - performance.now()) / 1000);
      made.disabled = left > 0;
      made.textContent = left > 0 ? this.#words.of("tryAgainIn", { n: left }) : label;
      if (left > 0) setTimeout(count, 1000);
    };
    count();
    return made;
  }
}
