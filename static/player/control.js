import { AvatarError, toAvatarError } from "./errors.js";

const ANSWER_MS = 15_000;
const DEFAULT_VOICE_MODEL = "eleven_flash_v2_5";

/**
 * @typedef {import("./turn.js").Turn} Turn
 * @typedef {{sessionId: string, token: string}} Credentials
 * @typedef {"init-client" | "keep-alive" | "say-text" | "say-audio" | "interrupt" | "end"} Operation
 */

/** A call that was answered, but not with success; `status` is HTTP's. */
export class ControlError extends AvatarError {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(`control-${status}`, message);
    this.status = status;
  }

  /** Whether the session no longer exists for this token (D7). */
  get gone() {
    return [401, 404, 410].includes(this.status);
  }
}

/** Kaltura's Control API, wherever `baseUrl` says it is (reference 1.1). */
export class ControlClient {
  #baseUrl;
  #fetch;

  /**
   * @param {string} baseUrl
   * @param {typeof globalThis.fetch} [fetch]
   */
  constructor(baseUrl, fetch = globalThis.fetch.bind(globalThis)) {
    this.#baseUrl = baseUrl.replace(/\/+$/, "");
    this.#fetch = fetch;
  }

  get baseUrl() {
    return this.#baseUrl;
  }

  /**
   * Opens a session with a Kaltura Session; never repeated, since each call opens another (1.2).
   *
   * @param {string} apiKey
   * @param {{avatarId: string, voiceId?: string}} choice
   * @returns {Promise<Credentials>}
   */
  async create(apiKey, { avatarId, voiceId }) {
    // A cloned voice is refused together with a model id (1.2).
    const modelId = voiceId?.startsWith("eself-") ? undefined : DEFAULT_VOICE_MODEL;
    const body = {
      clientId: "kaltura-avatar-sdk",
      visualConfig: { id: avatarId },
      ...(voiceId && { voiceConfig: { id: voiceId, modelId } }),
    };
    const { sessionId, token } = await this.#post("/create", `KS ${apiKey}`, JSON.stringify(body));
    if (!sessionId || !token) throw new ControlError(200, "The answer names no session.");
    return { sessionId, token };
  }

  /**
   * Learns where the media is; to be called once per session (1.3).
   *
   * @param {Credentials} credentials
   * @param {AbortSignal} [signal]
   * @returns {Promise<{whepUrl: string, turn: Turn | null}>}
   */
  async initClient(credentials, signal) {
    const { whepUrl, turn = null } = await this.call(credentials, "init-client", "{}", { signal });
    if (!whepUrl) throw new ControlError(200, "The answer does not say where the picture is.");
    return { whepUrl, turn };
  }

  /**
   * One operation on one session.
   *
   * @param {Credentials} credentials
   * @param {Operation} operation
   * @param {string | FormData} body
   * @param {RequestInit} [init]
   * @returns {Promise<Record<string, any>>}
   */
  call({ sessionId, token }, operation, body = "{}", init = {}) {
    return this.#post(`/${encodeURIComponent(sessionId)}/${operation}`, `Bearer ${token}`, body, init);
  }

  /**
   * @param {string} path
   * @param {string} authorization
   * @param {string | FormData} body
   * @param {RequestInit} [init]
   * @returns {Promise<Record<string, any>>}
   */
  async #post(path, authorization, body, { signal, ...init } = {}) {
    const deadline = AbortSignal.timeout(ANSWER_MS);
    /** @type {Record<string, string>} */
    const headers = { Authorization: authorization };
    // A form names its own type, since only the browser knows its boundary.
    if (typeof body === "string") headers["Content-Type"] = "application/json";
    try {
      const response = await this.#fetch(this.#baseUrl + path, {
        ...init,
        method: "POST",
        headers,
        body,
        signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
      });
      return successBody(response, await response.json().catch(() => null));
    } catch (error) {
      throw toAvatarError(error);
    }
  }
}

/**
 * The body of a success; everything else is thrown (D11).
 *
 * @param {Response} response
 * @param {any} body
 */
function successBody(response, body) {
  const success =
    response.ok &&
    body !== null &&
    typeof body === "object" &&
    body.success !== false &&
    body.objectType !== "KalturaAPIException";
  if (success) return body;
  const words = typeof body?.error === "string" ? body.error.slice(0, 200) : "The call was refused";
  throw new ControlError(response.status, `${words} (status ${response.status}).`);
}
