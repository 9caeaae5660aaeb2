import { SessionController } from "../shared/session/session-controller.js";
import { ApproachApi } from "./approach-api.js";

/** @typedef {import("../shared/pages/network-calls.js").NetworkCall} NetworkCall */

/** A player fills and plays its own container here; the page adds nothing. */
const CONTAINER = { clear() {}, async playable() {} };

/** One approach that can be tried: the session life cycle of the page, with the approach's own calls. */
export class DemoSession extends SessionController {
  #api;
  #onCall;
  #sessionId = "";

  /**
   * @param {import("./controls.js").Approach} approach
   * @param {{
   *   tools: Promise<import("./approach-api.js").PageTools>,
   *   turn: (demo: DemoSession) => Promise<void>,
   *   onCall: (call: NetworkCall) => void,
   * }} surroundings `turn` resolves when no other demo has a session.
   */
  constructor(approach, { tools, turn, onCall }) {
    const api = new ApproachApi(approach, tools, (wait) => this.emit("waiting", wait));
    super(api, {
      container: CONTAINER,
      ready: () => Promise.all([tools, turn(this)]),
      playerOf: (opened) => api.playerOf(opened),
    });
    this.#api = api;
    this.#onCall = onCall;
  }

  /** Whether it has a session, or is about to. */
  get isUnderWay() {
    return ["connecting", "live"].includes(this.state);
  }

  /** Ends the session, or has the approach leave the line. */
  end() {
    this.#api.leaveLines();
    super.end();
  }

  /** Ends the session as the page goes away: no page resumes a demo. */
  leave() {
    if (this.isUnderWay) this.end();
    super.leave();
  }

  /**
   * Takes note of the session that one of its calls has opened.
   *
   * @param {import("./approach-api.js").SeenSession} session
   */
  opened(session) {
    this.#sessionId = session.sessionId;
    this.#api.seen(session);
  }

  /**
   * Shows one of its calls, without the session's id.
   *
   * @param {NetworkCall} call
   */
  called(call) {
    this.#onCall({ ...call, path: this.#sessionId ? call.path.replaceAll(this.#sessionId, "…") : call.path });
  }
}
