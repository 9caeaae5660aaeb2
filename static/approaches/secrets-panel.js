import { decodePayload } from "../shared/pages/jwt.js";

/**
 * @typedef {{page: string, broker: string, kaltura: string}} SecretHolders Who holds what, in words.
 * @typedef {{idle: string, tokenMode: "sealed" | "direct"}} DemoSetup
 */

/**
 * What each party holds while no session is open.
 *
 * @param {DemoSetup} setup `idle` says what an approach leaves in the page's code.
 * @returns {SecretHolders}
 */
export function secretsAtRest({ idle }) {
  return {
    page: idle,
    broker: "The KS, for Kaltura alone.",
    kaltura: "Knows the KS. No session is open.",
  };
}

/**
 * What each party holds while a session is open; never the token itself.
 *
 * @param {DemoSetup} setup
 * @param {string} token
 * @returns {SecretHolders}
 */
export function secretsWithSession({ tokenMode }, token) {
  const until = expiry(token);
  const sealed = tokenMode === "sealed";
  return {
    page: sealed
      ? `A token of this broker: this one session, until ${until}.`
      : `Kaltura's own token, until ${until}: it controls this session without asking the broker.`,
    broker: sealed
      ? "The KS, and Kaltura's token for this session."
      : "The KS, and Kaltura's token, which the page has too.",
    kaltura: sealed
      ? "Verifies the KS and its own token, both from the broker."
      : "Verifies the KS from the broker, and its own token from whoever has it.",
  };
}

/** @param {string} token */
function expiry(token) {
  const { exp } = decodePayload(token) ?? {};
  if (typeof exp !== "number") return "nobody says when";
  const when = /** @type {const} */ ({ weekday: "long", hour: "numeric", minute: "2-digit" });
  return new Date(exp * 1000).toLocaleString("en", when);
}
