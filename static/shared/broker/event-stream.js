import { sleep } from "../sleep.js";

/** Until the broker says how long to wait before a stream is opened again. */
const AGAIN_MS = 2000;

/**
 * @typedef {import("../../../types/broker-api").UtteranceReceipt} Utterance
 * @typedef {{name: string, id: string, data: any, retry?: number}} ServerEvent One server-sent event.
 * @typedef {(lastId: string, signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>} OpenStream
 */

/** Follows the server-sent events of a session; a lost connection is made again. */
export class EventStream {
  #open;
  #onEvent;
  #stop = new AbortController();
  #lastId = "";
  #againMs = AGAIN_MS;

  /**
   * @param {OpenStream} open Gives the events behind one.
   * @param {(told: ServerEvent) => void} onEvent
   */
  constructor(open, onEvent) {
    this.#open = open;
    this.#onEvent = onEvent;
    void this.#follow();
  }

  stop() {
    this.#stop.abort();
  }

  async #follow() {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#read(await this.#open(this.#lastId, this.#stop.signal));
      } catch {
        // The monitor's other calls meet the same failure, and tell it.
      }
      if (!this.#stop.signal.aborted) await sleep(this.#againMs);
    }
  }

  /** @param {ReadableStream<Uint8Array>} stream */
  async #read(stream) {
    const reader = stream.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const told of blocks.map(parseEvent)) {
        if (told.id) this.#lastId = told.id;
        this.#againMs = told.retry ?? this.#againMs;
        if (told.name && !this.#stop.signal.aborted) this.#onEvent(told);
      }
    }
  }
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
