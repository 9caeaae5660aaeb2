import { byId } from "../../shared/dom.js";

/**
 * What a click can do about a problem, at once or only after so many seconds.
 *
 * @typedef {{label: string, seconds?: number, run: () => void}} Remedy
 * @typedef {{title: string, words: string, requestId?: string, remedy?: Remedy}} NoticeContent
 */

/** Says what happened and what to do next. It lies over the stage, so that nothing moves for it. */
export class Notice {
  #element = byId("notice");

  /** @param {NoticeContent | undefined} news Nothing when there is none any more. */
  show(news) {
    this.#element.hidden = !news;
    this.#element.replaceChildren();
    if (!news) return;
    this.#element.append(paragraph("title", news.title), paragraph("words", news.words));
    if (news.remedy) this.#element.append(button(news.remedy));
    if (news.requestId) this.#element.append(request(news.requestId));
  }
}

/**
 * A problem as it is told.
 *
 * @param {import("../../shared/broker/problems.js").Problem} problem
 * @param {Remedy} [remedy]
 * @returns {NoticeContent}
 */
export function noticeOf({ title, detail, nextStep, requestId }, remedy) {
  return { title, words: [detail, nextStep].filter(Boolean).join(" "), requestId, remedy };
}

/**
 * @param {string} className
 * @param {string} text
 */
function paragraph(className, text) {
  const made = document.createElement("p");
  made.className = className;
  made.textContent = text;
  return made;
}

/**
 * What to tell the operator; one click selects the id alone, to be copied.
 *
 * @param {string} id
 */
function request(id) {
  const made = paragraph("request", "Request ");
  const code = document.createElement("code");
  code.textContent = id;
  made.append(code);
  return made;
}

/** @param {Remedy} remedy */
function button({ label, seconds = 0, run }) {
  const made = document.createElement("button");
  made.type = "button";
  made.addEventListener("click", run);
  // Every second would be announced: a notice is an alert.
  made.setAttribute("aria-live", "off");
  const ready = performance.now() + seconds * 1000;
  count();
  return made;

  function count() {
    const left = Math.ceil((ready - performance.now()) / 1000);
    made.disabled = left > 0;
    made.textContent = left > 0 ? `${label} in ${left} s` : label;
    if (left > 0) setTimeout(count, 1000);
  }
}
