import { causeOf } from "../shared/broker/end-reasons.js";
import { positionText } from "../shared/broker/queue-position.js";

const MOST_CALLS = 50;

/** @type {Record<import("../shared/session/session-controller.js").State, string>} A problem is named by its own title. */
const WORDS = { ready: "Ready", connecting: "Connecting", live: "Live", ended: "Ended", problem: "" };

/** The part of the page where one approach is shown and tried. */
export class DemoPanel {
  #section;
  #buttons;
  #text;
  /** @type {Map<string, {row: HTMLTableRowElement, times: number}>} Keep-alives, by what they show. */
  #repeated = new Map();

  /**
   * @param {HTMLElement} section
   * @param {{run: () => void, speak: (text: string) => void, stop: () => void, end: () => void}} handlers
   */
  constructor(section, { run, speak, stop, end }) {
    this.#section = section;
    this.#text = /** @type {HTMLInputElement} */ (section.querySelector("input"));
    this.#buttons = {
      run: this.#button("run"),
      speak: this.#button("speak"),
      stop: this.#button("stop"),
      end: this.#button("end"),
    };
    this.#buttons.run.addEventListener("click", run);
    this.#buttons.stop.addEventListener("click", stop);
    this.#buttons.end.addEventListener("click", end);
    section.querySelector("form")?.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#text.value.trim();
      if (text && !this.#buttons.speak.disabled) speak(text);
    });
  }

  /**
   * Shows functions as they are written, the line about the address marked.
   *
   * @param {string} source
   */
  code(source) {
    const lines = source.split("\n").map((line) => {
      const element = document.createElement(line.includes("baseUrl:") ? "mark" : "span");
      element.textContent = line.trim() || " ";
      element.style.setProperty("--indent", String(line.search(/\S|$/)));
      return element;
    });
    this.#part("code").replaceChildren(...lines);
  }

  /**
   * @param {import("../shared/session/session-controller.js").State} state
   * @param {import("../shared/broker/problems.js").Problem} [problem]
   */
  become(state, problem) {
    const running = state === "connecting" || state === "live";
    this.#section.dataset.state = state;
    this.#buttons.run.disabled = running;
    this.#buttons.end.disabled = !running;
    this.#buttons.speak.disabled = this.#buttons.stop.disabled = state !== "live";
    if (state === "connecting") this.#clear();
    if (state === "ended" || state === "problem") this.#part("screen").replaceChildren();
    this.#part("status").textContent = problem ? inWords(problem) : WORDS[state];
    this.#keepFocus();
  }

  /** @param {import("../shared/broker/broker-api.js").PlaceInLine | null} place In line. */
  wait(place) {
    this.#part("status").textContent = positionText(place?.position ?? null);
  }

  /** @param {import("../shared/broker/problems.js").Problem} problem */
  trouble(problem) {
    this.#part("status").textContent = inWords(problem);
  }

  settle() {
    if (this.#section.dataset.state === "live") this.#part("status").textContent = WORDS.live;
  }

  /** @param {import("./secrets-panel.js").SecretHolders} holders */
  holds({ page, broker, kaltura }) {
    this.#part("page").textContent = page;
    this.#part("broker").textContent = broker;
    this.#part("kaltura").textContent = kaltura;
  }

  /**
   * Adds a call; keep-alives share a row, since they would push the others out.
   *
   * @param {import("../shared/pages/network-calls.js").NetworkCall} call
   */
  call({ method, path, status, ms }) {
    const answer = status === null ? "none" : String(status);
    const shared = path.endsWith("/keep-alive") ? this.#repeat(path + answer) : null;
    const row = shared?.row ?? document.createElement("tr");
    const times = shared && shared.times > 1 ? ` ×${shared.times}` : "";
    const cells = [method, path + times, answer, `${ms} ms`];
    row.replaceChildren(
      ...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })),
    );
    row.toggleAttribute("data-failed", status === null || status >= 400);
    if (!row.isConnected) this.#append(row);
  }

  /** @param {string} key */
  #repeat(key) {
    const repeated = this.#repeated.get(key) ?? { row: document.createElement("tr"), times: 0 };
    this.#repeated.set(key, repeated);
    repeated.times += 1;
    return repeated;
  }

  /** @param {HTMLTableRowElement} row */
  #append(row) {
    const calls = this.#part("calls");
    calls.append(row);
    while (calls.childElementCount > MOST_CALLS) calls.firstElementChild?.remove();
    const scroll = /** @type {HTMLElement} */ (calls.closest(".scroll"));
    scroll.scrollTop = scroll.scrollHeight;
  }

  #clear() {
    this.#repeated.clear();
    this.#part("calls").replaceChildren();
  }

  // A button that disables itself would leave the keyboard nowhere.
  #keepFocus() {
    const { run, end } = this.#buttons;
    const lost = this.#section.querySelector("button:focus:disabled");
    if (lost) (run.disabled ? end : run).focus({ preventScroll: true });
  }

  /**
   * @param {string} name
   * @returns {HTMLElement}
   */
  #part(name) {
    return /** @type {HTMLElement} */ (this.#section.querySelector(`[data-part="${name}"]`));
  }

  /** @param {string} name */
  #button(name) {
    return /** @type {HTMLButtonElement} */ (this.#part(name));
  }
}

/** @param {import("../shared/broker/problems.js").Problem} problem */
function inWords(problem) {
  return [problem.title, causeOf(problem)].filter(Boolean).join(": ");
}
