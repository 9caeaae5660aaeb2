import { Problem } from "../shared/broker/problems.js";

const PATIENCE_MS = 15_000;

/**
 * Sends a POST request to the operator's API; the cookie authenticates it.
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
