import { byId } from "../../shared/dom.js";
import { describeClaims } from "../../shared/pages/jwt.js";

const MOST_CALLS = 50;

/** Shows a developer what the browser holds and which calls it made; never the token itself. */
export class Inspector {
  #holds = byId("holds");
  #calls = byId("calls");
  /** @type {Map<string, string>} */
  #facts = new Map([["Player", "not loaded yet"]]);

  /** @param {string} name */
  player(name) {
    this.#set({ Player: name });
  }

  /** @param {import("../../../types/broker-api.js").CreatedSession} opened */
  opened({ sessionId, token, tokenMode, baseUrl, expiresAt }) {
    this.#set({
      Session: sessionId,
      "Token mode": tokenMode === "sealed" ? "sealed: the broker's own token" : "direct: Kaltura's token",
      // Only the broker's own token has claims that the page knows.
      Claims: tokenMode === "sealed" ? describeClaims(token) : "not shown",
      "Ends at": new Date(expiresAt).toLocaleTimeString(),
      "Base URL": baseUrl,
    });
  }

  /** The session is over, and with it the token. */
  closed() {
    this.#set({ Claims: "none: the token was dropped" });
  }

  /** @param {import("../../shared/pages/network-calls.js").NetworkCall} call */
  called({ by, method, path, status, ms, requestId }) {
    const row = document.createElement("tr");
    const session = this.#facts.get("Session");
    const shortPath = session ? path.replaceAll(session, "…") : path;
    const answer = status === null ? "no answer" : String(status);
    const cells = [by, method, shortPath, answer, `${ms} ms`, requestId];
    row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
    row.toggleAttribute("data-failed", status === null || status >= 400);
    this.#calls.prepend(row);
    while (this.#calls.childElementCount > MOST_CALLS) this.#calls.lastElementChild?.remove();
  }

  /** @param {Record<string, string>} facts */
  #set(facts) {
    for (const [name, value] of Object.entries(facts)) this.#facts.set(name, value);
    const rows = [...this.#facts].flatMap(([name, value]) => [
      Object.assign(document.createElement("dt"), { textContent: name }),
      Object.assign(document.createElement("dd"), { textContent: value }),
    ]);
    this.#holds.replaceChildren(...rows);
  }
}
