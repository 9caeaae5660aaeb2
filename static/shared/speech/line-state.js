/**
 * The state of a line. `sending`: nobody has answered yet. `accepted`: it will be said.
 * `queued`: behind others. `unclear`: the answer was lost, so it may be said or not.
 *
 * @typedef {"sending" | "accepted" | "queued" | "unclear" | "speaking" | "said" | "stopped" | "failed"} LineState
 */

/** @type {Record<import("../broker/event-stream.js").Utterance["state"], LineState>} */
const TOLD = {
  queued: "queued",
  speaking: "accepted",
  done: "said",
  interrupted: "stopped",
  failed: "failed",
};

/** After these problems it is unknown whether Kaltura took the text; `unknown` is what a proxy answers. */
const UNCLEAR = ["unreachable", "no-answer", "unknown", "kaltura-timeout", "outcome-unknown"];

/**
 * The state of a line by what the broker tells of it; whether it is heard, only the page knows.
 *
 * @param {Pick<import("../broker/event-stream.js").Utterance, "state" | "reason">} utterance
 * @returns {LineState}
 */
export function lineStateOf({ state, reason }) {
  return state === "failed" && isUnclear(reason) ? "unclear" : TOLD[state];
}

/**
 * Whether a text may be said although it failed by the name of its problem.
 *
 * @param {string | null | undefined} problem
 */
export function isUnclear(problem) {
  return UNCLEAR.includes(problem ?? "");
}
