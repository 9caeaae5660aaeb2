import { byId } from "./stage.js";

/** Says what happened and what to do next, until something better is known. */
export class Notice {
  #element = byId("notice");

  /**
   * @param {import("./problems.js").Problem} problem
   * @param {{label: string, run: () => void}} [remedy] What a click can do about it.
   */
  show({ title, detail, nextStep, requestId }, remedy) {
    const words = [detail, nextStep].filter(Boolean).join(" ");
    this.#fill(paragraph("title", title), paragraph("words", words));
    if (remedy) this.#element.append(button(remedy));
    if (requestId) this.#element.append(paragraph("request", `Request ${requestId}`));
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

/** @param {{label: string, run: () => void}} remedy */
function button({ label, run }) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", run);
  return made;
}
