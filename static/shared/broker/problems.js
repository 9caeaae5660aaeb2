/** @type {Record<string, string>} The titles of problems that only the page itself can notice. */
const TITLES = {
  unreachable: "No connection",
  "no-answer": "No answer",
  "player-failed": "The player could not be loaded",
  "no-webrtc": "This browser can't show live video",
  "media-timeout": "The picture did not come",
  "ice-failed": "The picture cannot get through",
  "viewer-taken": "Watched elsewhere",
  "auth-token-failed": "You could not be signed in",
  "fetch-session-failed": "No session came from this site",
  "session-ended": "The session has ended",
  reconnecting: "Reconnecting",
  "session-not-found": "The session is gone",
  "ticket-not-found": "You are no longer in line",
};

/** @type {Record<string, string>} Codes of the bundled player that mean a problem known here. */
const PLAYER_CODES = { network: "unreachable", timeout: "no-answer" };

/** The problems that stay, however often one tries. */
const LASTING = [
  "invalid-request",
  "sign-in",
  "cross-site-request",
  "control-not-allowed",
  "session-ended",
  "session-not-found",
  "budget-spent",
  "kaltura-credentials-rejected",
];

/**
 * The answer with which the broker refuses; members that only some problems have are of RFC 9457's kind.
 *
 * @typedef {import("../../../types/broker-api.js").Problem & {signIn: boolean, endReason: string | null}} ProblemDetails
 */

/** Something that went wrong, in words: problem+json of the broker, or the page's own. */
export class Problem extends Error {
  /**
   * @param {string} name
   * @param {{title?: string, detail?: string, requestId?: string, retryAfter?: number, endReason?: string | null}} [about]
   */
  constructor(name, { title, detail = "", requestId = "", retryAfter, endReason } = {}) {
    super(title ?? TITLES[name] ?? "Something went wrong");
    this.name = name;
    this.detail = detail;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
    this.endReason = endReason;
  }

  get title() {
    return this.message;
  }

  /** Whether the session is over for good. */
  get endsSession() {
    return ["session-ended", "session-not-found", "unauthenticated"].includes(this.name);
  }

  /** Whether the broker asks for a login, or for a newer token of it. */
  get needsSignIn() {
    return ["unauthenticated", "sign-in"].includes(this.name);
  }

  /** Whether the same call may well succeed in a moment; "unknown" is what a proxy answers. */
  get passing() {
    return this.unanswered || this.name === "unknown" || this.retryAfter !== undefined;
  }

  /** Whether a visitor can do no better than to try again, now or when it is time. */
  get mayPass() {
    return !LASTING.includes(this.name);
  }

  /** Whether nobody answered, so that it is not known what became of the call. */
  get unanswered() {
    return ["unreachable", "no-answer"].includes(this.name);
  }

  /**
   * The problem of an answer, also of one without problem+json.
   *
   * @param {Response} response
   * @returns {Promise<Problem>}
   */
  static async fromResponse(response) {
    /** @type {Partial<ProblemDetails> | null} */
    const body = await response.json().catch(() => null);
    const kind = String(body?.type ?? "").split("/").pop() || "unknown";
    // Where only an app's own visitors are let in, another click on Start would change nothing.
    const name = body?.signIn ? "sign-in" : kind;
    return new Problem(name, {
      title: body?.title,
      detail: body?.detail ?? `The server answered with status ${response.status}.`,
      requestId: body?.requestId ?? response.headers.get("X-Request-ID") ?? "",
      retryAfter: Number(response.headers.get("Retry-After")) || undefined,
      endReason: body?.endReason,
    });
  }

  /**
   * The problem of an error that `fetch` threw: no answer, or none in time.
   *
   * @param {unknown} error
   * @returns {Problem}
   */
  static fromFailure(error) {
    if (error instanceof Problem) return error;
    if (error instanceof DOMException && error.name === "TimeoutError")
      return new Problem("no-answer", { detail: "The server took too long to answer." });
    return new Problem("unreachable", { detail: "The server could not be reached." });
  }

  /**
   * The problem of an error that a player reported: by its code, or in its own words.
   *
   * @param {{code?: string, message?: string} | unknown} error
   * @returns {Problem}
   */
  static fromPlayer(error) {
    if (error instanceof Problem) return error;
    const { code = "", message = "" } = /** @type {{code?: string, message?: string}} */ (error ?? {});
    const name = PLAYER_CODES[code] ?? (code || "player-error");
    return new Problem(name, { title: TITLES[name] ?? "The avatar cannot be shown", detail: message });
  }
}
