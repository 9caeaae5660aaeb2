import { Problem } from "./problems.js";

const SESSIONS = "/api/avatar-sessions";
const CREATE_MS = 30_000;
const CONTROL_MS = 15_000;

/**
 * @typedef {{sessionId: string, token: string, tokenMode: "sealed" | "direct", baseUrl: string, expiresAt: string}} Opened
 * @typedef {{body?: object, token?: string, headers?: Record<string, string>, keepalive?: boolean, deadlineMs?: number}} Request
 */

/** The broker's visitor surface; every failure is thrown as a `Problem`. */
export class Api {
  #onCall;
  #fetch;

  /**
   * @param {(call: import("./calls.js").Call) => void} onCall Told of each call once it is over.
   * @param {typeof globalThis.fetch} [fetch]
   */
  constructor(onCall, fetch = globalThis.fetch.bind(globalThis)) {
    this.#onCall = onCall;
    this.#fetch = fetch;
  }

  /**
   * Opens a session; one click is one key, so that it can never open two.
   *
   * @param {string} idempotencyKey
   * @returns {Promise<Opened & {secondsLeft: number}>}
   */
  async create(idempotencyKey) {
    const { body, response } = await this.#send("POST", "/api/create-avatar-session", {
      body: {},
      headers: { "Idempotency-Key": idempotencyKey },
      deadlineMs: CREATE_MS,
    });
    return { ...body, secondsLeft: secondsUntil(body.expiresAt, response) };
  }

  /**
   * @param {Opened} session
   * @param {string} text
   * @returns {Promise<{turnId: string}>}
   */
  async speak(session, text) {
    return (await this.#control("POST", session, "/speak", { body: { text } })).body;
  }

  /** @param {Opened} session */
  async interrupt(session) {
    await this.#control("POST", session, "/interrupt");
  }

  /** @param {Opened} session */
  async keepAlive(session) {
    await this.#control("POST", session, "/keep-alive");
  }

  /**
   * @param {Opened} session
   * @param {{keepalive?: boolean}} [options] `keepalive` lets the call outlive the page.
   */
  async end(session, { keepalive = false } = {}) {
    await this.#control("POST", session, "/end", { keepalive });
  }

  /**
   * @param {Opened} session
   * @returns {Promise<{state: "live" | "ended", secondsLeft: number, endReason?: string | null}>}
   */
  async state(session) {
    return (await this.#control("GET", session, "")).body;
  }

  /** Ends every session of this visitor, whichever tab it is in; the cookie says whose they are. */
  async endAll() {
    const { body } = await this.#send("GET", SESSIONS, {});
    for (const { sessionId } of body.sessions)
      await this.#send("POST", `${SESSIONS}/${encodeURIComponent(sessionId)}/end`, {});
  }

  /**
   * @param {"GET" | "POST"} method
   * @param {Opened} session
   * @param {string} path
   * @param {Request} [request]
   */
  #control(method, { sessionId, token }, path, request = {}) {
    const address = `${SESSIONS}/${encodeURIComponent(sessionId)}${path}`;
    return this.#send(method, address, { token, ...request });
  }

  /**
   * @param {"GET" | "POST"} method
   * @param {string} path
   * @param {Request} request
   */
  async #send(method, path, { body, token, headers = {}, keepalive, deadlineMs = CONTROL_MS }) {
    const began = performance.now();
    /** @type {Response | undefined} */
    let response;
    try {
      response = await this.#fetch(path, {
        method,
        keepalive,
        headers: {
          ...headers,
          ...(body && { "Content-Type": "application/json" }),
          ...(token && { Authorization: `Bearer ${token}` }),
        },
        body: body && JSON.stringify(body),
        signal: AbortSignal.timeout(deadlineMs),
      });
      if (!response.ok) throw await Problem.fromResponse(response);
      return { body: await response.json(), response };
    } catch (error) {
      throw Problem.fromFailure(error);
    } finally {
      this.#onCall({
        by: "page",
        method,
        path,
        status: response?.status ?? null,
        ms: Math.round(performance.now() - began),
        requestId: response?.headers.get("X-Request-ID") ?? "",
      });
    }
  }
}

/**
 * Seconds until a moment, by the server's clock: the visitor's may be wrong.
 *
 * @param {string} moment ISO 8601
 * @param {Response} response
 */
function secondsUntil(moment, response) {
  const now = Date.parse(response.headers.get("Date") ?? "") || Date.now();
  return Math.max(0, (Date.parse(moment) - now) / 1000);
}
