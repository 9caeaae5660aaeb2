/** @typedef {import("./demo-session.js").DemoSession} DemoSession */

/** Lets one demo run at a time: a visitor may have one session, and the last must be gone first. */
export class DemoRunner {
  /** @type {DemoSession[]} */
  #demos = [];
  /** @type {DemoSession | null} */
  #current = null;

  /** The demo to which the calls that begin now belong. */
  get current() {
    return this.#current;
  }

  /** @param {DemoSession} demo */
  add(demo) {
    this.#demos.push(demo);
  }

  /**
   * Resolves when the others have ended, so that it is this demo's turn.
   *
   * @param {DemoSession} demo
   */
  async turn(demo) {
    for (const other of this.#demos) if (other !== demo && other.isUnderWay) other.end();
    await Promise.all(this.#demos.map((each) => each.settled()));
    // Someone may have clicked End, or Run of another, while this one waited.
    if (demo.isUnderWay) this.#current = demo;
  }
}
