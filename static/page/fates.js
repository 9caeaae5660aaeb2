/**
 * What becomes of a line. `sending`: nobody has answered yet. `accepted`: it will be said.
 * `queued`: behind others. `unclear`: the answer was lost, so it may be said or not.
 *
 * @typedef {"sending" | "accepted" | "queued" | "unclear" | "speaking" | "said" | "stopped" | "failed"} Fate
 */

/** @type {Record<Fate, string>} As a visitor reads it. */
const WORDS = {
  sending: "sending",
  accepted: "accepted",
  queued: "queued",
  unclear: "unclear: you may hear it",
  speaking: "speaking",
  said: "said",
  stopped: "stopped",
  failed: "failed",
};

/** @type {Record<import("./following.js").Utterance["state"], Fate>} */
const TOLD = {
  queued: "queued",
  speaking: "accepted",
  done: "said",
  interrupted: "stopped",
  failed: "failed",
};

/** After these nobody knows whether Kaltura took the text; `unknown` is what a proxy answers. */
const UNCLEAR = ["unreachable", "no-answer", "unknown", "kaltura-timeout", "outcome-unknown"];

/** @param {{fate: Fate, reason: string}} line */
export function inWords({ fate, reason }) {
  return [WORDS[fate], reason].filter(Boolean).join(" · ");
}

/**
 * The fate of a line by what the broker tells of it; whether it is heard, only the page knows.
 *
 * @param {Pick<import("./following.js").Utterance, "state" | "reason">} utterance
 * @returns {Fate}
 */
export function fateOf({ state, reason }) {
  return state === "failed" && isUnclear(reason) ? "unclear" : TOLD[state];
}

/**
 * Whether a text may be said although it failed by the name of its problem.
 *
 * @param {string | null} problem
 */
export function isUnclear(problem) {
  return UNCLEAR.includes(problem ?? "");
}
