import { followEvents } from "../shared/broker/event-stream.js";

/**
 * @typedef {import("../../types/broker-api.js").SessionState} SessionState
 * @typedef {import("../../types/broker-api.js").UtteranceReceipt} UtteranceReceipt
 * @typedef {{event: "session", id: string, data: SessionState}} SessionChanged
 * @typedef {{event: "utterance", id: string, data: UtteranceReceipt}} UtteranceChanged
 * @typedef {SessionChanged | UtteranceChanged} SessionEvent
 */

/**
 * The events of a session, from its present state until its end.
 *
 * @param {import("../shared/broker/broker-api.js").BrokerApi} api
 * @param {import("../shared/broker/broker-api.js").SessionReference} session
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<SessionEvent, void, undefined>}
 */
export async function* sessionEvents(api, session, signal = new AbortController().signal) {
  const told = followEvents((lastId, until) => api.follow(session, lastId, until), signal);
  for await (const { name, id, data } of told)
    if (name === "session" || name === "utterance") yield { event: name, id, data };
}
