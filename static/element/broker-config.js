import { Problem } from "../shared/broker/problems.js";

/**
 * @typedef {import("../../types/broker-api").PublicConfig} PublicConfig
 * @typedef {import("../../types/broker-api").PublicCatalog} PublicCatalog
 */

/** What a broker tells every page: its settings, asked for once and again after a failure, and what it offers. */
export class BrokerConfig {
  #broker;
  #fetch;
  /** @type {Promise<PublicConfig> | null} */
  #loading = null;

  /**
   * @param {string} broker Its origin.
   * @param {typeof globalThis.fetch} fetch
   */
  constructor(broker, fetch) {
    this.#broker = broker;
    this.#fetch = fetch;
  }

  /** @returns {Promise<PublicConfig>} Rejects with a `Problem`. */
  load() {
    this.#loading ??= this.#ask("config").catch((error) => {
      this.#loading = null;
      throw Problem.fromFailure(error);
    });
    return this.#loading;
  }

  /** @returns {Promise<PublicCatalog>} The avatars and voices to choose from. Rejects with a `Problem` or a failure. */
  catalog() {
    return this.#ask("catalog");
  }

  /** @param {"config" | "catalog"} name */
  async #ask(name) {
    const response = await this.#fetch(`${this.#broker}/api/${name}`);
    if (!response.ok) throw await Problem.fromResponse(response);
    return response.json();
  }
}
