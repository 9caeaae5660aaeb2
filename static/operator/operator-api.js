import { Problem } from "../shared/broker/problems.js";

const PATIENCE_MS = 15_000;

/**
 * Asks the broker to do something; the operator's cookie says who asks.
 *
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<void>} Rejects with a `Problem`.
 */
export async function post(path, body = {}) {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (!response.ok) throw await Problem.fromResponse(response);
  } catch (error) {
    throw Problem.fromFailure(error);
  }
}
