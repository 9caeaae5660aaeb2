import { parsedUrl } from "../browser-compat.js";
import { Problem } from "./problems.js";
import { VisitorId } from "./visitor-id.js";

/**
 * @typedef {"create" | "resume" | "expired"} AuthReason Why a login's token is asked for.
 * @typedef {(asked: {reason: AuthReason}) => Promise<string | null | undefined>} GetAuthToken
 * @typedef {{broker?: string, visitor?: string, getAuthToken?: GetAuthToken}} CallerOptions
 */

/**
 * The identity of a caller: a cookie on its own pages, a name of the visitor's own elsewhere and in a
 * frame, or the token of the site's login.
 */
export class Caller {
  /** The broker's origin; empty on its own pages. */
  broker;
  #visitor;
  #id;
  #getAuthToken;

  /** @param {CallerOptions} options Without a broker it is where the page comes from. */
  constructor({ broker, visitor, getAuthToken }) {
    this.broker = foreignOrigin(broker);
    this.#visitor = visitor;
    this.#id = (this.broker || isFramed()) && !getAuthToken ? new VisitorId(this.broker) : null;
    this.#getAuthToken = getAuthToken;
  }

  /** Whether a login's token says who the visitor is. */
  get asksLogin() {
    return this.#getAuthToken !== undefined;
  }

  /** @returns {RequestCredentials} */
  get cookies() {
    return this.broker ? "omit" : "same-origin";
  }

  /** @returns {Record<string, string>} The headers that name the visitor, in every call. */
  get name() {
    return named(this.#visitor ?? this.#id?.known);
  }

  /**
   * The headers that identify the visitor in a call without a session's token.
   *
   * @param {AuthReason} reason
   * @returns {Promise<Record<string, string>>} Rejects with a `Problem`.
   */
  async identity(reason) {
    if (reason === "create") this.#id?.make();
    if (!this.#getAuthToken) return this.name;
    try {
      const token = await this.#getAuthToken({ reason });
      return { ...this.name, ...(token && { Authorization: `Bearer ${token}` }) };
    } catch (error) {
      throw new Problem("auth-token-failed", { detail: error instanceof Error ? error.message : "" });
    }
  }

  /**
   * Whether a call may succeed with a new token of the login.
   *
   * @param {unknown} error
   */
  canRenew(error) {
    return this.asksLogin && error instanceof Problem && error.needsSignIn;
  }
}

/** Whether the page is in a frame, which may be on another site: browsers send no cookie from there. */
function isFramed() {
  return globalThis.top !== globalThis.window;
}

/** @param {string | undefined} broker What is no address answers nobody. */
function foreignOrigin(broker) {
  if (!broker) return "";
  const origin = parsedUrl(broker, globalThis.location?.href)?.origin ?? broker;
  return origin === globalThis.location?.origin ? "" : origin;
}

/**
 * @param {string | undefined} visitor
 * @returns {Record<string, string>}
 */
function named(visitor) {
  return visitor ? { "Avatar-Visitor": visitor } : {};
}
