import { Problem } from "../shared/broker/problems.js";
import { canStreamRequests } from "../shared/browser-compat.js";
import { randomId } from "../shared/random-id.js";
import { sleep } from "../shared/sleep.js";
import { sentences } from "../shared/speech/captions/sentences.js";
import { findOutcome } from "../shared/speech/outcome-lookup.js";

/** How long the broker is asked for the outcome of a text whose answer was lost. */
const PATIENCE_MS = 60_000;

/**
 * @typedef {import("../shared/broker/broker-api.js").BrokerApi} BrokerApi
 * @typedef {import("../shared/broker/broker-api.js").SessionReference} SessionReference
 * @typedef {string | AsyncIterable<string>} Words A text, or the pieces of one that is being written.
 * @typedef {{turnId?: string}} SpeakOptions `turnId` names the turn of speech; it is random when left out.
 * @typedef {{turnId: string, state: import("../../types/broker-api.js").UtteranceState}} Receipt
 *   What the text was when the call was answered: `speaking` is said at once, `queued` is behind others.
 */

/**
 * Says a text once; the answer of a call that was lost is looked for in the list of utterances.
 *
 * @param {BrokerApi} api
 * @param {SessionReference} session
 * @param {Words} words
 * @param {SpeakOptions & {isStopped?: () => boolean}} [options] `isStopped` tells whether a Stop came meanwhile.
 * @returns {Promise<Receipt>} Rejects with a `Problem`, or with what the writer threw.
 */
export function say(api, session, words, { turnId = randomId(), isStopped = () => false } = {}) {
  if (typeof words === "string") return sayText(api, session, words, turnId);
  if (canStreamRequests()) return sayStream(api, session, words, turnId);
  return saySentences(api, session, words, turnId, isStopped);
}

/**
 * @param {BrokerApi} api
 * @param {SessionReference} session
 * @param {string} text
 * @param {string} turnId
 */
async function sayText(api, session, text, turnId) {
  try {
    return receiptOf(await api.speak(session, text, turnId));
  } catch (error) {
    const problem = Problem.fromFailure(error);
    // The text may be said although the call failed: nobody can tell but the broker's list.
    const isUnclear = problem.unanswered || ["unknown", "outcome-unknown"].includes(problem.name);
    const found = isUnclear ? await lookUp(api, session, turnId) : null;
    if (!found) throw problem;
    if (found.state === "failed") throw new Problem(found.reason ?? "");
    return receiptOf(found);
  }
}

/**
 * Says a text while it is being written: the broker cuts it into sentences.
 *
 * @param {BrokerApi} api
 * @param {SessionReference} session
 * @param {AsyncIterable<string>} words
 * @param {string} turnId
 */
async function sayStream(api, session, words, turnId) {
  const writer = new LineWriter(words);
  try {
    return receiptOf(await api.speakWritten(session, writer.lines, turnId));
  } catch (error) {
    throw writer.failed ? writer.failure : error;
  } finally {
    writer.stop();
  }
}

/**
 * Says a text while it is being written, where no request can be streamed: each sentence is a call.
 *
 * @param {BrokerApi} api
 * @param {SessionReference} session
 * @param {AsyncIterable<string>} words
 * @param {string} turnId
 * @param {() => boolean} isStopped
 * @returns {Promise<Receipt>}
 */
async function saySentences(api, session, words, turnId, isStopped) {
  let rest = "";
  for await (const text of words) {
    if (isStopped()) return { turnId, state: "interrupted" };
    rest += text;
    // A sentence is whole when the next has begun.
    const begun = rest.lastIndexOf(sentences(rest).at(-1) ?? rest);
    if (begun <= 0) continue;
    const { state } = await api.speak(session, rest.slice(0, begun), turnId, false);
    if (state === "interrupted") return { turnId, state };
    rest = rest.slice(begun);
  }
  if (isStopped()) return { turnId, state: "interrupted" };
  return receiptOf(await api.speak(session, rest, turnId));
}

/**
 * @param {BrokerApi} api
 * @param {SessionReference} session
 * @param {string} turnId
 * @returns {Promise<import("../../types/broker-api.js").UtteranceReceipt | null>} null: the broker
 *   never got it, or can't be asked.
 */
async function lookUp(api, session, turnId) {
  const began = performance.now();
  let isOver = false;
  const found = await findOutcome(turnId, {
    utterances: () =>
      api.utterances(session).catch((error) => {
        isOver = Problem.fromFailure(error).endsSession;
        throw error;
      }),
    isUnclear: () => !isOver && performance.now() - began < PATIENCE_MS,
    sleep,
  });
  return found === "missing" || !found ? null : found;
}

/** The pieces of a text as lines of JSON, as fast as they are read. */
class LineWriter {
  lines;
  failed = false;
  /** @type {unknown} What the writer of the text threw. */
  failure;
  #source;

  /** @param {AsyncIterable<string>} words */
  constructor(words) {
    this.#source = words[Symbol.asyncIterator]();
    this.lines = new ReadableStream({
      pull: (controller) => this.#write(controller),
      cancel: () => this.stop(),
    });
  }

  /** Stops the writer, because nobody reads any more; harmless after its end. */
  stop() {
    void Promise.resolve(this.#source.return?.()).catch(() => {});
  }

  /** @param {ReadableStreamDefaultController<Uint8Array>} controller */
  async #write(controller) {
    try {
      const { done, value } = await this.#source.next();
      if (done) controller.close();
      else controller.enqueue(new TextEncoder().encode(`${JSON.stringify({ text: value })}\n`));
    } catch (error) {
      [this.failed, this.failure] = [true, error];
      throw error;
    }
  }
}

/**
 * @param {{turnId: string, state?: Receipt["state"] | null}} answer
 * @returns {Receipt}
 */
function receiptOf({ turnId, state }) {
  return { turnId, state: state ?? "speaking" };
}
