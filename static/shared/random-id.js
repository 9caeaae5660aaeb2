/**
 * A random id of 32 hexadecimal digits.
 *
 * Not `crypto.randomUUID`, which browsers keep from pages that come over plain http, as a
 * developer's page does on a phone in the same network.
 */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
