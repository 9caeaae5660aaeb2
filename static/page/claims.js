/**
 * What a JWT says, with its times as one reads them.
 *
 * @param {string} token
 * @returns {string}
 */
export function claims(token) {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const said = Object.entries(JSON.parse(new TextDecoder().decode(bytes)));
    return said.map(([name, value]) => `${name} ${readable(name, value)}`).join("\n");
  } catch {
    return "not readable";
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
