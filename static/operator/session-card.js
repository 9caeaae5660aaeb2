import { Problem } from "../shared/broker/problems.js";
import { formatDuration } from "../shared/duration.js";
import { post } from "./operator-api.js";
import { shortName } from "./replicas-panel.js";

const CONFIRM_MS = 4000;
const LAST_SECONDS = 60;

/** @typedef {import("../../types/broker-api").LiveSession} LiveSession */

/** The card of one live session: its visitor, times and last words, and the button that ends it. */
export class SessionCard {
  #part;
  #keepsWords;
  /** @type {LiveSession | undefined} */
  #session;
  /** The begin and the end of this session, as values of `performance.now()`. */
  #beganAt = 0;
  #endsAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #asking;

  /**
   * @param {HTMLTemplateElement} template
   * @param {{keepsWords: boolean}} options Whether the record keeps what is said.
   */
  constructor(template, { keepsWords }) {
    const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    this.element = /** @type {HTMLElement} */ (copy.firstElementChild);
    this.#keepsWords = keepsWords;
    this.#part = (/** @type {string} */ name) =>
      /** @type {HTMLElement} */ (this.element.querySelector(name));
    this.#part(".end").addEventListener("click", () => void this.#end());
    this.#part(".end").addEventListener("blur", () => this.#ask(false));
    this.#part(".end").addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#ask(false);
    });
  }

  /**
   * @param {LiveSession} session
   * @param {number} now Milliseconds by the broker's clock; the operator's may be wrong.
   */
  show(session, now) {
    this.#session = session;
    this.#beganAt = performance.now() - (now - Date.parse(session.openedAt));
    this.#endsAt = performance.now() + session.secondsLeft * 1000;
    this.element.dataset.state = session.watched ? "live" : "ready";
    this.#write(".watched", session.watched ? "Watched" : "Not watched");
    this.#write(".avatar", session.avatarId ?? "the default");
    this.#link(".visitor", session.visitor, { visitor: session.visitor });
    this.#link(".session", session.sessionId, { sessionId: session.sessionId });
    this.#part(".held-by").hidden = session.replica === null;
    this.#write(".replica", shortName(session.replica ?? ""));
    const silent = this.#keepsWords ? "Nothing was said yet." : "Words are not kept.";
    this.#write(".words", session.lastWords ?? silent);
    this.#part(".words").toggleAttribute("data-silent", session.lastWords === null);
    this.tick();
  }

  tick() {
    const open = (performance.now() - this.#beganAt) / 1000;
    const left = (this.#endsAt - performance.now()) / 1000;
    this.#write(".open", formatDuration(open));
    this.#write(".left", `${formatDuration(left)} left`);
    this.#part(".left").toggleAttribute("data-last", left <= LAST_SECONDS);
    const spent = /** @type {HTMLProgressElement} */ (this.#part(".spent"));
    spent.value = Math.min(1, open / Math.max(1, open + Math.max(0, left)));
  }

  /** Asks at the first press, and ends the session at a second one within a few seconds. */
  async #end() {
    if (this.#asking === undefined) {
      this.#ask(true);
      return;
    }
    this.#ask(false);
    const button = /** @type {HTMLButtonElement} */ (this.#part(".end"));
    button.disabled = true;
    this.#write(".end", "Ending");
    this.#write(".wrong", "");
    try {
      await post(`/operator/api/sessions/${encodeURIComponent(this.#session?.sessionId ?? "")}/end`);
    } catch (error) {
      const { title, detail } = Problem.fromFailure(error);
      this.#write(".wrong", `${title}. ${detail}`);
      this.#write(".end", "End");
      button.disabled = false;
      button.focus();
    }
  }

  /** @param {boolean} asks */
  #ask(asks) {
    if (!asks && this.#asking === undefined) return;
    clearTimeout(this.#asking);
    this.#asking = asks ? setTimeout(() => this.#ask(false), CONFIRM_MS) : undefined;
    this.#write(".end", asks ? "Really end it" : "End");
    this.#part(".end").toggleAttribute("data-asks", asks);
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  #write(name, text) {
    const part = this.#part(name);
    if (part.textContent !== text) part.textContent = text;
  }

  /**
   * @param {string} name
   * @param {string} id
   * @param {Record<string, string>} filter
   */
  #link(name, id, filter) {
    const link = /** @type {HTMLAnchorElement} */ (this.#part(name));
    link.href = `/operator/record?${new URLSearchParams(filter)}`;
    link.title = id;
    this.#write(name, id.length > 20 ? `${id.slice(0, 8)}…` : id);
  }
}
