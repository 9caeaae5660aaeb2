/**
 * Lets one exhibit run at a time: a visitor may have one session, and the last must be gone first.
 */
export class Gallery {
  /** @type {import("./exhibit.js").Exhibit | null} */
  #current = null;
  #turn = Promise.resolve();
  #tools;

  /** @param {Promise<import("./controls.js").Tools>} tools */
  constructor(tools) {
    this.#tools = tools;
    tools.catch(() => {}); // Whichever exhibit is run tells it.
  }

  /** The exhibit to which the calls that begin now belong. */
  get current() {
    return this.#current;
  }

  /** @param {import("./exhibit.js").Exhibit} exhibit */
  run(exhibit) {
    exhibit.prepare();
    this.#turn = this.#turn.then(() => this.#next(exhibit));
  }

  /** @param {import("./exhibit.js").Exhibit} exhibit */
  async #next(exhibit) {
    await (this.#current === exhibit ? exhibit.finish() : this.#current?.end());
    // Someone may have clicked End, or Run of another, while this one waited.
    if (exhibit.state !== "connecting") return;
    this.#current = exhibit;
    void exhibit.run(this.#tools);
  }
}
