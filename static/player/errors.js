/**
 * An error, for a program (`code`) and in words (`message`).
 *
 * Kaltura publishes no list of codes (reference 4.5), so these are the player's own.
 */
export class AvatarError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = "AvatarError";
    this.code = code;
  }
}

/**
 * Turns anything that was thrown into an `AvatarError`.
 *
 * @param {unknown} error
 * @returns {AvatarError}
 */
export function toAvatarError(error) {
  if (error instanceof AvatarError) return error;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  if (name === "TimeoutError") return new AvatarError("timeout", "No answer came in time.");
  if (name === "AbortError") return new AvatarError("aborted", "The session was ended meanwhile.");
  if (name === "TypeError") return new AvatarError("network", "The server could not be reached.");
  return new AvatarError("unexpected", message);
}
