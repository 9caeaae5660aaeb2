import { Problem } from "../broker/problems.js";
import { pieces } from "./captions/sentences.js";
import { lineStateOf } from "./line-state.js";

/**
 * @typedef {import("../broker/event-stream.js").Utterance} Utterance
 * @typedef {import("./speech-tracker.js").Line} Line
 * @typedef {import("./captions/captions.js").Cue} Cue
 */

/**
 * A line that this page did not send: the page before it did, or somebody else.
 *
 * @param {Utterance} utterance
 * @param {number} skew Milliseconds of `performance.now` at the broker's zero of time.
 * @param {{turnId: string, elapsed: number} | null} kept What the page before this one heard last.
 * @param {string} recording What a recording is called.
 * @returns {Line}
 */
export function lineFromUtterance(utterance, skew, kept, recording) {
  const { turnId, text, state, reason, startedAt, endedAt } = utterance;
  const found = lineStateOf(utterance);
  const [from, to] = [at(startedAt, skew), at(endedAt, skew)];
  const isHeard = state === "speaking" && from !== null;
  return {
    turnId,
    text: text || recording,
    state: found,
    ...(found === "failed" && reason ? { cause: reason, reason: new Problem(reason).title } : { reason: "" }),
    seconds: text ? undefined : 0,
    elapsed: isHeard ? (kept?.turnId === turnId ? kept.elapsed : Math.max(0, performance.now() - from)) : 0,
    cues: from !== null && to !== null && found !== "failed" ? spreadCues(text || recording, from, to) : [],
  };
}

/**
 * The cues of a text, spread over the time from its begin to its end.
 *
 * @param {string} text
 * @param {number} from
 * @param {number} to
 * @returns {Cue[]}
 */
export function spreadCues(text, from, to) {
  const cut = pieces(text);
  const total = cut.reduce((sum, piece) => sum + piece.text.length, 0) || 1;
  let said = 0;
  return cut.map((piece) => {
    const begins = from + ((to - from) * said) / total;
    said += piece.text.length;
    return { from: begins, to: from + ((to - from) * said) / total, text: piece.text };
  });
}

/**
 * @param {string | null | undefined} moment
 * @param {number} skew
 */
function at(moment, skew) {
  return moment ? Date.parse(moment) + skew : null;
}
