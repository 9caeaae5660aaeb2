import { parsedUrl } from "../shared/browser-compat.js";
import { AvatarError } from "./errors.js";

const PRIVATE_IPV4 =
  /^(0|10|127|169\.254|192\.168|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./;
const PRIVATE_NAME = /(^|\.)(localhost|local|internal|lan|home\.arpa)$/;
// Only 2000::/3 is routed on the internet; that leaves out ::1, fc00::/7, fe80::/10 and ::ffff:0:0/96.
const GLOBAL_IPV6 = /^\[[23][0-9a-f]{3}:/;

/**
 * Whether a host is this machine itself.
 *
 * @param {string} hostname As `URL.hostname` gives it: lower case, IPv4 in dotted form.
 */
export function isLoopback(hostname) {
  return /^127\.|(^|\.)localhost$/.test(hostname) || hostname === "[::1]";
}

/**
 * Whether a host is one that the internet cannot reach.
 *
 * @param {string} hostname As `URL.hostname` gives it.
 */
export function isPrivate(hostname) {
  if (hostname.startsWith("[")) return !GLOBAL_IPV6.test(hostname);
  return PRIVATE_IPV4.test(hostname) || PRIVATE_NAME.test(hostname) || !hostname.includes(".");
}

/**
 * The address of the media, once it is one that may be called.
 *
 * A misconfigured media server can name a private address (reference 3), and a page must not be
 * led to call its visitor's own network. Beside the Control API's own host, and with a Control API
 * on this machine, anything goes: that is how one develops.
 *
 * @param {string} address
 * @param {string} baseUrl The Control API's.
 * @returns {URL}
 */
export function allowedMediaUrl(address, baseUrl) {
  const base = new URL(baseUrl);
  const url = parsedUrl(address);
  const trusted = isLoopback(base.hostname) || url?.hostname === base.hostname;
  if (url && (trusted || (url.protocol === "https:" && !isPrivate(url.hostname)))) return url;
  throw new AvatarError(
    "media-address-refused",
    "The address of the picture is not a public https address, so it was not called.",
  );
}
