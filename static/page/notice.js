import { byId } from "./stage.js";

/**
 * What a click can do about a problem, at once or only after so many seconds.
 *
 * @typedef {{label: string, seconds?: number, run: () => void}} Remedy
 */

/** Says what happened and what to do next, until something better is known. */
export class Notice {
  #element = byId("notice");

  /**
   * @param {import("./problems.js").Problem} problem
   * @param {Remedy} [remedy]
   */
  show({ title, detail, nextStep, requestId }, remedy) {
    const words = [detail, nextStep].filter(Boolean).join(" ");
    this.#fill(paragraph("title", title), paragraph("words", words));
    if (remedy) this.#element.append(button(remedy));
    if (requestId) this.#element.append(request(requestId));
  }

  /**
   * @param {string} title
   * @param {string} words
   */
  tell(title, words) {
    this.#fill(paragraph("title", title), paragraph("words", words));
  }

  hide() {
    this.#element.hidden = true;
    this.#element.replaceChildren();
  }

  /** @param {HTMLElement[]} content */
  #fill(...content) {
    this.#element.replaceChildren(...content);
    this.#element.hidden = false;
  }
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
