import { Problem } from "../shared/broker/problems.js";

/**
 * @typedef {import("../../types/broker-api").PublicConfig} PublicConfig
 * @typedef {import("../../types/broker-api").PublicCatalog} PublicCatalog
 */

/** What a broker tells every page, asked for once, and again after a failure. */
export class BrokerConfig {
  #broker;
  #fetch;
  /** @type {Partial<Record<"config" | "catalog", Promise<any>>>} */
  #loading = {};

  /**
   * @param {string} broker Its origin.
   * @param {typeof globalThis.fetch} fetch
   */
  constructor(broker, fetch) {
    this.#broker = broker;
    this.#fetch = fetch;
  }

  /** @returns {Promise<PublicConfig>} Its settings. Rejects with a `Problem`. */
  load() {
    return this.#once("config");
  }

  /** @returns {Promise<PublicCatalog>} The avatars and voices to choose from. Rejects with a `Problem`. */
  catalog() {
    return this.#once("catalog");
  }

  /** @param {"config" | "catalog"} name */
  #once(name) {
    return (this.#loading[name] ??= this.#ask(name).catch((error) => {
      delete this.#loading[name];
      throw Problem.fromFailure(error);
    }));
  }

  /** @param {"config" | "catalog"} name */
  async #ask(name) {
    const response = await this.#fetch(`${this.#broker}/api/${name}`);
    if (!response.ok) throw await Problem.fromResponse(response);
    return response.json();
  }
}
