import { Problem } from "../shared/broker/problems.js";
import { Emitter } from "../shared/emitter.js";
import { Heartbeat } from "../shared/heartbeat.js";
import { sleep } from "../shared/sleep.js";

const ENDING_MS = 3000;

/**
 * @typedef {import("./controls.js").Controls} Controls
 * @typedef {import("./controls.js").Tools} Tools
 * @typedef {import("../shared/session/session-controller.js").State} State
 * @typedef {{sessionId: string, token: string}} OpenedSession
 * @typedef {{opening: Promise<Controls>, showing?: Promise<void>, closing?: Promise<unknown>, over: boolean}} DemoRun
 * @typedef {{
 *   state: {state: State, problem?: Problem},
 *   opened: OpenedSession,
 *   called: import("../shared/network-calls.js").NetworkCall,
 *   trouble: Problem,
 * }} DemoSessionEvents
 */

/**
 * One approach as it is tried: ready, connecting, live, ended or problem, and again.
 *
 * @extends {Emitter<DemoSessionEvents>}
 */
export class DemoSession extends Emitter {
  /** @type {State} */
  state = "ready";
  #approach;
  /** @type {DemoRun | null} */
  #run = null;
  /** @type {string | null} */
  #sessionId = null;
  #heartbeat = new Heartbeat(() => this.#keepAlive());

  /** @param {import("./controls.js").Approach} approach */
  constructor(approach) {
    super();
    this.#approach = approach;
  }

  /** Says at once that it will run, while another may still have to end. */
  prepare() {
    this.#become("connecting");
  }

  /** @param {Promise<Tools>} tools */
  async run(tools) {
    /** @type {DemoRun} */
    const run = (this.#run = { opening: tools.then(this.#approach), over: false });
    this.#sessionId = null;
    try {
      const controls = await run.opening;
      if (run.over) return;
      this.#listen(run, controls);
      run.showing = controls.show();
      await run.showing;
      if (run.over) return;
      if (controls.keepAlive) this.#heartbeat.start();
      this.#become("live");
    } catch (error) {
      this.#fail(run, asProblem(error));
    }
  }

  /**
   * @param {string} text
   * @returns {Promise<boolean>} Whether it was done; if not, an event has told why.
   */
  speak(text) {
    return this.#control((controls) => controls.speak(text));
  }

  stop() {
    return this.#control((controls) => controls.stop());
  }

  /** Ends it, whether it runs or still waits for another. */
  async end() {
    if (["connecting", "live"].includes(this.state)) this.#become("ended");
    await this.finish();
  }

  /** Resolves when no session of before is left, or when that takes too long to be waited for. */
  async finish() {
    if (this.#run) await this.#close(this.#run);
  }

  /** Ends the session while the page goes away; the visitor's cookie is authority enough. */
  leave() {
    if (!this.#run || this.#run.over) return;
    const path = `/api/avatar-sessions/${this.#sessionId}/end`;
    if (this.#sessionId) void fetch(path, { method: "POST", keepalive: true }).catch(() => {});
    void this.end();
  }

  // What follows is told by whoever watches the calls.

  /** @param {OpenedSession} opened */
  opened(opened) {
    this.#sessionId = opened.sessionId;
    this.emit("opened", opened);
  }

  /** @param {import("../shared/network-calls.js").NetworkCall} call */
  called(call) {
    const path = this.#sessionId ? call.path.replaceAll(this.#sessionId, "…") : call.path;
    this.emit("called", { ...call, path });
  }

  /**
   * @param {DemoRun} run
   * @param {Controls} controls
   */
  #listen(run, { session }) {
    /** @type {Problem | null} */
    let trouble = null;
    session.on("error", (error) => {
      trouble = asProblem(error);
      if (this.state === "live") this.emit("trouble", trouble);
    });
    session.on("stateChange", (state) => {
      if (this.state !== "live" || !["ENDED", "ERROR"].includes(String(state).toUpperCase())) return;
      this.#fail(run, trouble ?? new Problem("session-ended", { detail: "The avatar is gone." }));
    });
  }

  /** @param {(controls: Controls) => Promise<unknown>} call */
  async #control(call) {
    const run = this.#run;
    if (!run || run.over) return false;
    try {
      await call(await run.opening);
      return true;
    } catch (error) {
      const problem = asProblem(error);
      if (problem.endsSession) this.#fail(run, problem);
      else if (!run.over) this.emit("trouble", problem);
      return false;
    }
  }

  async #keepAlive() {
    await this.#control((controls) => controls.keepAlive?.() ?? Promise.resolve());
  }

  /**
   * @param {DemoRun} run
   * @param {Problem} problem
   */
  #fail(run, problem) {
    if (run.over) return;
    void this.#close(run);
    this.#become("problem", problem);
  }

  /** @param {DemoRun} run */
  #close(run) {
    run.over = true;
    this.#heartbeat.stop();
    run.closing ??= Promise.race([dismantle(run), sleep(ENDING_MS)]);
    return run.closing;
  }

  /**
   * @param {State} state
   * @param {Problem} [problem]
   */
  #become(state, problem) {
    this.state = state;
    this.emit("state", { state, problem });
  }
}

/**
 * Ends what a run opened, also when it is opened only now; a call that failed is in the list.
 *
 * @param {DemoRun} run
 */
async function dismantle(run) {
  const controls = await run.opening.catch(() => null);
  await controls?.end().catch(() => {});
  await run.showing?.catch(() => {});
}

/**
 * @param {unknown} error
 * @returns {Problem}
 */
function asProblem(error) {
  if (error instanceof Problem) return error;
  const { message = "" } = /** @type {{message?: string}} */ (error ?? {});
  return new Problem("player-error", { title: "That did not work", detail: message });
}
