/**
 * Lets one demo run at a time: a visitor may have one session, and the last must be gone first.
 */
export class DemoRunner {
  /** @type {import("./demo-session.js").DemoSession | null} */
  #current = null;
  #turn = Promise.resolve();
  #tools;

  /** @param {Promise<import("./controls.js").Tools>} tools */
  constructor(tools) {
    this.#tools = tools;
    tools.catch(() => {}); // Whichever demo is run tells it.
  }

  /** The demo to which the calls that begin now belong. */
  get current() {
    return this.#current;
  }

  /** @param {import("./demo-session.js").DemoSession} demo */
  run(demo) {
    demo.prepare();
    this.#turn = this.#turn.then(() => this.#next(demo));
  }

  /** @param {import("./demo-session.js").DemoSession} demo */
  async #next(demo) {
    await (this.#current === demo ? demo.finish() : this.#current?.end());
    // Someone may have clicked End, or Run of another, while this one waited.
    if (demo.state !== "connecting") return;
    this.#current = demo;
    void demo.run(this.#tools);
  }
}
