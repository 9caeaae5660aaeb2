/**
 * The claims of a JWT as readable text, with times as dates.
 *
 * @param {string} token
 * @returns {string}
 */
export function describeClaims(token) {
  const said = decodePayload(token);
  if (!said) return "not readable";
  const lines = Object.entries(said).map(([name, value]) => `${name} ${readable(name, value)}`);
  return lines.join("\n");
}

/**
 * The claims themselves, or null when it is no JWT.
 *
 * @param {string} token
 * @returns {Record<string, unknown> | null}
 */
export function decodePayload(token) {
  try {
    const encoded = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    const said = JSON.parse(new TextDecoder().decode(bytes));
    return said instanceof Object ? said : null;
  } catch {
    return null;
  }
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function readable(name, value) {
  const isTime = ["exp", "iat", "nbf"].includes(name) && typeof value === "number";
  return isTime ? new Date(value * 1000).toISOString() : String(value);
}
