import { Problem } from "../shared/broker/problems.js";

/** @typedef {import("../../types/broker-api").PublicConfig} PublicConfig */

/** What a broker tells every page of its settings; asked for once, and again after a failure. */
export class BrokerConfig {
  #url;
  #fetch;
  /** @type {Promise<PublicConfig> | null} */
  #loading = null;

  /**
   * @param {string} broker Its origin.
   * @param {typeof globalThis.fetch} fetch
   */
  constructor(broker, fetch) {
    this.#url = `${broker}/api/config`;
    this.#fetch = fetch;
  }

  /** @returns {Promise<PublicConfig>} Rejects with a `Problem`. */
  load() {
    this.#loading ??= this.#ask().catch((error) => {
      this.#loading = null;
      throw Problem.fromFailure(error);
    });
    return this.#loading;
  }

  async #ask() {
    const response = await this.#fetch(this.#url);
    if (!response.ok) throw await Problem.fromResponse(response);
    return response.json();
  }
}
