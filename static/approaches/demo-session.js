import { SessionController } from "../shared/session/session-controller.js";
import { ApproachApi } from "./approach-api.js";

/** @typedef {import("../shared/network-calls.js").NetworkCall} NetworkCall */

/** Nothing is in the way of a player, which fills its place by itself and plays by itself. */
const CONTAINER = { clear() {}, async playable() {} };

/** One approach as it is tried: the life cycle of the page's session, with the approach's own calls. */
export class DemoSession extends SessionController {
  #api;
  #onCall;
  #sessionId = "";

  /**
   * @param {import("./controls.js").Approach} approach
   * @param {{
   *   tools: Promise<import("./controls.js").Tools>,
   *   turn: (demo: DemoSession) => Promise<void>,
   *   onCall: (call: NetworkCall) => void,
   * }} surroundings `turn` resolves when no other demo has a session.
   */
  constructor(approach, { tools, turn, onCall }) {
    const api = new ApproachApi(approach, tools);
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

  /** The page goes away, and nothing goes on with what a demo has. */
  leave() {
    if (this.isUnderWay) this.end();
    super.leave();
  }

  // What follows is told by whoever watches the calls.

  /** @param {import("./approach-api.js").SeenSession} session */
  opened(session) {
    this.#sessionId = session.sessionId;
    this.#api.seen(session);
  }

  /** @param {NetworkCall} call */
  called(call) {
    this.#onCall({ ...call, path: this.#sessionId ? call.path.replaceAll(this.#sessionId, "…") : call.path });
  }
}
