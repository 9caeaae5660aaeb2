import { Problem } from "../../shared/broker/problems.js";

/**
 * Which words a problem has, by its name: the title `...Title`, and what to do, `...Step`.
 *
 * Several problems are one to a visitor, who can do no more about them than the words say.
 *
 * @type {Record<string, string>}
 */
export const WORDS_OF = {
  unreachable: "offline",
  "no-answer": "silent",
  "kaltura-timeout": "silent",
  "kaltura-busy": "service",
  "kaltura-error": "service",
  "kaltura-unavailable": "service",
  "replica-unavailable": "service",
  "sign-in-unavailable": "service",
  "kaltura-credentials-rejected": "operator",
  "record-unavailable": "operator",
  "at-capacity": "full",
  "too-many-sessions": "otherSession",
  "rate-limited": "rate",
  "budget-spent": "budget",
  "session-ended": "ended",
  "session-not-found": "ended",
  "ticket-not-found": "line",
  unauthenticated: "signIn",
  "sign-in": "signIn",
  "auth-token-failed": "signIn",
  "fetch-session-failed": "service",
  "control-not-allowed": "forbidden",
  "cross-site-request": "forbidden",
  "invalid-request": "invalid",
  "speech-refused": "refused",
  "speech-unavailable": "voice",
  "queue-full": "queue",
  "outcome-unknown": "lostAnswer",
  reconnecting: "reconnecting",
  "player-failed": "player",
  "no-webrtc": "webRtc",
  "media-timeout": "picture",
  "ice-failed": "picture",
  "viewer-taken": "viewer",
};

/** Why a line failed, as far as it is no problem of a call. @type {Record<string, string>} */
const LINE_CAUSES = { "not-arrived": "lineNotArrived", "not-heard": "lineNotHeard" };

/** Tells of problems in the visitor's language; what the broker says of them is for developers. */
export class ProblemWords {
  #words;

  /** @param {import("./words.js").Words} words */
  constructor(words) {
    this.#words = words;
  }

  /** @param {Pick<Problem, "name">} problem */
  title({ name }) {
    return this.#words.of(`${WORDS_OF[name] ?? "other"}Title`);
  }

  /**
   * Why, where that is known, and what to do now.
   *
   * @param {Problem} problem
   */
  advice({ name, endReason, retryAfter }) {
    const why = endReason ? this.#words.of(`end${endReason.charAt(0).toUpperCase()}${endReason.slice(1)}`) : "";
    // There are new minutes tomorrow, and nothing to do before.
    if (endReason === "budget") return why;
    const step = this.#words.of(`${WORDS_OF[name] ?? "other"}Step`, { when: this.#words.when(retryAfter) });
    return [why, step].filter(Boolean).join(" ");
  }

  /** @param {import("../../shared/speech/speech-tracker.js").Line} line */
  reasonOf({ cause }) {
    if (!cause) return "";
    const own = LINE_CAUSES[cause];
    return own ? this.#words.of(own) : this.title(new Problem(cause));
  }
}
