import { sleepUntilOnline } from "./connectivity.js";
import { Problem } from "./problems.js";

/** Until the broker says how long to wait before a stream is opened again. */
const AGAIN_MS = 2000;

/** The broker tells something at least every 15 s; a stream that is silent for longer is broken. */
const SILENT_MS = 45_000;

/** The id of a session's last event. */
const END_ID = "end";

/**
 * @typedef {import("../../../types/broker-api.js").UtteranceReceipt} Utterance
 * @typedef {{name: string, id: string, data: any, retry?: number}} ServerEvent One server-sent event.
 * @typedef {(lastId: string, signal: AbortSignal) => Promise<ReadableStream<Uint8Array> | null>} OpenStream
 *   Opens the stream of the events behind one; null: there are none any more.
 */

/**
 * Follows the server-sent events of a session until its end; a lost connection is made again.
 *
 * @param {OpenStream} open
 * @param {AbortSignal} signal Says that nobody listens any more.
 * @returns {AsyncGenerator<ServerEvent, void, undefined>} Throws a `Problem` that does not pass by itself.
 */
export async function* followEvents(open, signal) {
  let lastId = "";
  let againMs = AGAIN_MS;
  while (!signal.aborted) {
    try {
      const stream = await open(lastId, signal);
      if (!stream) return;
      for await (const told of eventsOf(stream)) {
        if (signal.aborted) return;
        if (told.id) lastId = told.id;
        againMs = told.retry ?? againMs;
        if (told.name) yield told;
        if (told.id === END_ID) return;
      }
    } catch (error) {
      const problem = Problem.fromFailure(error);
      if (!problem.passing) throw problem;
      againMs = Math.max(againMs, 1000 * (problem.retryAfter ?? 0));
    }
    await sleepUntilOnline(againMs, signal);
  }
}

/**
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {AsyncGenerator<ServerEvent, void, undefined>}
 */
async function* eventsOf(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await inTime(reader.read());
      if (done) return;
      const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      yield* blocks.map(parseEvent);
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}

/**
 * @template T
 * @param {Promise<T>} reading
 * @returns {Promise<T>}
 */
function inTime(reading) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, SILENT_MS, new Problem("no-answer"));
    void reading.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/**
 * One event of the few fields that the broker sends.
 *
 * @param {string} block
 * @returns {ServerEvent}
 */
export function parseEvent(block) {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const line of block.split("\n")) {
    const [name = "", value = ""] = line.split(/: (.*)/s, 2);
    fields[name] = value;
  }
  const { event = "", id = "", data, retry } = fields;
  const told = { name: event, id, data: data === undefined ? null : JSON.parse(data) };
  return retry === undefined ? told : { ...told, retry: Number(retry) };
}
