import { deadline } from "../browser-compat.js";
import { Caller } from "./caller.js";
import { Problem } from "./problems.js";

const SESSIONS = "/api/avatar-sessions";
const WAITING_ROOM = "/api/waiting-room";
const CREATE_MS = 30_000;
const CONTROL_MS = 15_000;
/** A long recording takes its time to arrive, and to be made fit to be said. */
const RECORDING_MS = 180_000;

/**
 * @typedef {import("../../../types/broker-api.js").CreatedSession} CreatedSession
 * @typedef {import("../../../types/broker-api.js").CreateBody} CreateBody
 * @typedef {import("../../../types/broker-api.js").SessionState} SessionState
 * @typedef {import("../../../types/broker-api.js").Spoken} Spoken
 * @typedef {import("../../../types/broker-api.js").PlaceInLine} PlaceInLine
 * @typedef {CreatedSession & {answeredAt: number}} OpenedSession A session, and the broker's time of the answer: the visitor's clock may be wrong.
 * @typedef {{sessionId: string, token?: string}} SessionReference Without a token it counts who the visitor is.
 * @typedef {Pick<SessionState, "state" | "secondsLeft" | "endReason">} SessionStatus
 * @typedef {{
 *   body?: object,
 *   form?: FormData,
 *   lines?: ReadableStream<Uint8Array>,
 *   token?: string,
 *   identity?: import("./caller.js").AuthReason,
 *   headers?: Record<string, string>,
 *   keepalive?: boolean,
 *   deadlineMs?: number,
 *   signal?: AbortSignal,
 * }} RequestOptions `identity`: the call counts by who the visitor is, not by a session's token.
 * @typedef {import("./caller.js").CallerOptions & {fetch?: typeof globalThis.fetch}} BrokerApiOptions
 */

/** Calls the broker's API for visitors; every failure is thrown as a `Problem`. */
export class BrokerApi {
  #caller;
  #fetch;

  /** @param {BrokerApiOptions} [options] */
  constructor({ fetch = globalThis.fetch.bind(globalThis), ...caller } = {}) {
    this.#caller = new Caller(caller);
    this.#fetch = fetch;
  }

  /** The broker's origin; empty on its own pages. */
  get broker() {
    return this.#caller.broker;
  }

  /** Whether a login's token says who the visitor is. */
  get asksLogin() {
    return this.#caller.asksLogin;
  }

  /**
   * Opens a session, or gets in line for one; one key is one session, however often it is sent.
   *
   * @param {string} idempotencyKey
   * @param {CreateBody} [wanted] Avatar and voice, and the ticket of a place in line whose turn it is.
   * @returns {Promise<OpenedSession | PlaceInLine>}
   */
  async create(idempotencyKey, wanted = {}) {
    const { body, response } = await this.#send("POST", "/api/create-avatar-session", {
      body: wanted,
      identity: "create",
      headers: { "Idempotency-Key": idempotencyKey },
      deadlineMs: CREATE_MS,
    });
    return "ticket" in body ? body : opened(body, response);
  }

  /**
   * The place in line; answers when it changes, or when the wait is over.
   *
   * @param {string} ticket
   * @param {{waitSeconds: number, signal: AbortSignal}} options
   * @returns {Promise<PlaceInLine>}
   */
  async place(ticket, { waitSeconds, signal }) {
    const address = `${WAITING_ROOM}/${encodeURIComponent(ticket)}?wait=${waitSeconds}`;
    const deadlineMs = waitSeconds * 1000 + CONTROL_MS;
    return (await this.#send("GET", address, { deadlineMs, signal })).body;
  }

  /** @param {string} ticket */
  async leaveLine(ticket) {
    const address = `${WAITING_ROOM}/${encodeURIComponent(ticket)}/leave`;
    await this.#send("POST", address, { keepalive: true });
  }

  /**
   * The visitor's live sessions of all tabs.
   *
   * @returns {Promise<SessionState[]>}
   */
  async sessions() {
    return (await this.#send("GET", SESSIONS, { identity: "resume" })).body.sessions;
  }

  /**
   * Takes up a session that a page before this one left.
   *
   * @param {SessionReference} session
   * @returns {Promise<OpenedSession>}
   */
  async resume(session) {
    const { body, response } = await this.#control("POST", session, "/resume");
    return opened(body, response);
  }

  /**
   * @param {SessionReference} session
   * @param {string} text
   * @param {string} turnId Its name, by which its state can be asked for when the answer is lost.
   * @param {boolean} [isFinal] Whether no more text of this turn follows.
   * @returns {Promise<Spoken>}
   */
  async speak(session, text, turnId, isFinal = true) {
    /** @type {import("../../../types/broker-api.js").SpeakRequest} */
    const body = { text, turnId, ...(!isFinal && { isFinal }) };
    return (await this.#control("POST", session, "/speak", { body })).body;
  }

  /**
   * Says a text while it is being written; answers when all of it is in the queue.
   *
   * @param {SessionReference} session
   * @param {ReadableStream<Uint8Array>} lines As NDJSON.
   * @param {string} turnId
   * @param {AbortSignal} [signal]
   * @returns {Promise<Spoken>}
   */
  async speakWritten(session, lines, turnId, signal) {
    const path = `/speak?turnId=${encodeURIComponent(turnId)}`;
    return (await this.#control("POST", session, path, { lines, signal })).body;
  }

  /**
   * @param {SessionReference} session
   * @param {Blob} audio
   * @param {string} turnId
   * @returns {Promise<Spoken>}
   */
  async speakAudio(session, audio, turnId) {
    const form = new FormData();
    form.set("audio", audio, "recording");
    form.set("turnId", turnId);
    const request = { form, deadlineMs: RECORDING_MS };
    return (await this.#control("POST", session, "/speak-audio", request)).body;
  }

  /**
   * The utterances of a session, oldest first, with their outcomes.
   *
   * @param {SessionReference} session
   * @returns {Promise<import("../../../types/broker-api.js").UtteranceReceipt[]>}
   */
  async utterances(session) {
    return (await this.#control("GET", session, "/utterances")).body.utterances;
  }

  /**
   * Says that the voice is heard to begin or end an utterance, which nobody else can tell.
   *
   * @param {SessionReference} session
   * @param {string} turnId
   * @param {import("../../../types/broker-api.js").Heard["state"]} state
   */
  async heard(session, turnId, state) {
    const path = `/utterances/${encodeURIComponent(turnId)}/heard`;
    await this.#control("POST", session, path, { body: { state } });
  }

  /**
   * The server-sent events of a session after one of them, until its end; null: it is over.
   *
   * @param {SessionReference} session
   * @param {string} lastId
   * @param {AbortSignal} signal
   * @returns {Promise<ReadableStream<Uint8Array> | null>} Rejects with a `Problem`.
   */
  async follow({ sessionId, token }, lastId, signal) {
    const identity = token ? this.#caller.name : await this.#caller.identity("resume");
    try {
      const response = await this.#fetch(`${this.broker}${SESSIONS}/${encodeURIComponent(sessionId)}/events`, {
        headers: { ...(lastId && { "Last-Event-ID": lastId }), ...identity, ...own(token) },
        credentials: this.#caller.cookies,
        signal,
      });
      if (!response.ok) throw await Problem.fromResponse(response);
      return response.body;
    } catch (error) {
      throw Problem.fromFailure(error);
    }
  }

  /** @param {SessionReference} session */
  async interrupt(session) {
    await this.#control("POST", session, "/interrupt");
  }

  /**
   * @param {SessionReference} session
   * @param {number} [deadlineMs]
   */
  async keepAlive(session, deadlineMs) {
    await this.#control("POST", session, "/keep-alive", { deadlineMs });
  }

  /** @param {SessionReference} session Its end outlives the page. */
  async end(session) {
    await this.#control("POST", session, "/end", { keepalive: true });
  }

  /**
   * Says that the page goes away: the broker ends the session soon, unless it is resumed.
   *
   * @param {SessionReference} session
   */
  async leave(session) {
    await this.#control("POST", session, "/leave", { keepalive: true });
  }

  /**
   * @param {SessionReference} session
   * @returns {Promise<SessionStatus>}
   */
  async state(session) {
    return (await this.#control("GET", session, "")).body;
  }

  /** Ends the visitor's sessions of all tabs. */
  async endAll() {
    for (const session of await this.sessions()) await this.end({ sessionId: session.sessionId });
  }

  /**
   * @param {"GET" | "POST"} method
   * @param {SessionReference} session
   * @param {string} path
   * @param {RequestOptions} [request]
   */
  #control(method, { sessionId, token }, path, request = {}) {
    const address = `${SESSIONS}/${encodeURIComponent(sessionId)}${path}`;
    return this.#send(method, address, { ...request, ...(token ? { token } : { identity: "resume" }) });
  }

  /**
   * @param {"GET" | "POST"} method
   * @param {string} path
   * @param {RequestOptions} request
   */
  async #send(method, path, request) {
    // Without an identity nothing is awaited: a page that goes away sends its last calls at once.
    if (!request.identity) return this.#attempt(method, path, request, this.#caller.name);
    try {
      return await this.#attempt(method, path, request, await this.#caller.identity(request.identity));
    } catch (error) {
      if (request.lines || !this.#caller.canRenew(error)) throw error;
      return this.#attempt(method, path, request, await this.#caller.identity("expired"));
    }
  }

  /**
   * @param {"GET" | "POST"} method
   * @param {string} path
   * @param {RequestOptions} request
   * @param {Record<string, string>} identity Headers that say who calls.
   */
  async #attempt(method, path, request, identity) {
    const { body, form, lines, token, headers, keepalive, deadlineMs = CONTROL_MS, signal } = request;
    try {
      const response = await this.#fetch(this.broker + path, {
        method,
        keepalive,
        headers: {
          ...headers,
          ...(body && { "Content-Type": "application/json" }),
          ...(lines && { "Content-Type": "application/x-ndjson" }),
          ...identity,
          ...own(token),
        },
        body: form ?? lines ?? (body && JSON.stringify(body)),
        ...(lines && { duplex: "half" }),
        credentials: this.#caller.cookies,
        // Nobody knows how long a text is being written.
        signal: lines ? signal : deadline(deadlineMs, signal),
      });
      if (!response.ok) throw await Problem.fromResponse(response);
      return { body: await response.json(), response };
    } catch (error) {
      throw Problem.fromFailure(error);
    }
  }
}

/**
 * The broker's own header for a token: in `Authorization` it would take the place of what the
 * browser sends to a proxy that asks for a password (HTTP Basic).
 *
 * @param {string | undefined} token
 * @returns {Record<string, string>}
 */
function own(token) {
  return token ? { "Avatar-Token": token } : {};
}

/**
 * @param {CreatedSession} created
 * @param {Response} response
 * @returns {OpenedSession}
 */
function opened(created, response) {
  const answeredAt = Date.parse(response.headers.get("Date") ?? "") || Date.now();
  return { ...created, answeredAt };
}
