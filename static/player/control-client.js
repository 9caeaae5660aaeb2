import { deadline, parsedUrl } from "../shared/browser-compat.js";
import { AvatarError, toAvatarError } from "./errors.js";

const ANSWER_MS = 15_000;
const DEFAULT_VOICE_MODEL = "eleven_flash_v2_5";

/**
 * @typedef {Pick<import("../../types/broker-api").Created, "sessionId" | "token">} Credentials
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
    const { sessionId, token } = await this.#post("/create", this.#credential("KS", apiKey), JSON.stringify(body));
    if (!sessionId || !token) throw new ControlError(200, "The answer names no session.");
    return { sessionId, token };
  }

  /**
   * Asks for the address of the media; to be called once per session (1.3).
   *
   * @param {Credentials} credentials
   * @param {AbortSignal} [signal]
   * @returns {Promise<import("./media.js").MediaAddress>}
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
    const path = `/${encodeURIComponent(sessionId)}/${operation}`;
    return this.#post(path, this.#credential("Bearer", token), body, init);
  }

  // To the page's own origin, which is a broker's: `Authorization` would take the place of what
  // the browser sends to a proxy that asks for a password (HTTP Basic).
  /**
   * @param {"KS" | "Bearer"} scheme
   * @param {string} token
   * @returns {Record<string, string>}
   */
  #credential(scheme, token) {
    const isOwn = parsedUrl(this.#baseUrl)?.origin === globalThis.location?.origin;
    return isOwn ? { "Avatar-Token": token } : { Authorization: `${scheme} ${token}` };
  }

  /**
   * @param {string} path
   * @param {Record<string, string>} credential
   * @param {string | FormData} body
   * @param {RequestInit} [init]
   * @returns {Promise<Record<string, any>>}
   */
  async #post(path, credential, body, { signal, ...init } = {}) {
    /** @type {Record<string, string>} */
    const headers = { ...credential };
    // A form names its own type, since only the browser knows its boundary.
    if (typeof body === "string") headers["Content-Type"] = "application/json";
    try {
      const response = await this.#fetch(this.#baseUrl + path, {
        ...init,
        method: "POST",
        headers,
        body,
        signal: deadline(ANSWER_MS, signal),
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
