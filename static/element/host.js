import { create } from "../shared/dom.js";
import { randomId } from "../shared/random-id.js";
import { styleMedia } from "./style/style.js";

/**
 * Dispatches `avatar-NAME` to the page, out of every shadow root.
 *
 * @param {HTMLElement} host
 * @param {string} name
 * @param {object} detail
 * @param {{cancelable?: boolean}} [options]
 * @returns {boolean} Whether nobody cancelled it.
 */
export function dispatch(host, name, detail, { cancelable = false } = {}) {
  return host.dispatchEvent(new CustomEvent(`avatar-${name}`, { detail, cancelable, bubbles: true, composed: true }));
}

/**
 * An element of the page for a player that finds its place by an id, which a shadow root would hide.
 *
 * @param {HTMLElement} host
 */
export function mediaElement(host) {
  styleMedia(/** @type {Document | ShadowRoot} */ (host.getRootNode()));
  const given = /** @type {HTMLElement | null} */ (host.querySelector(":scope > [slot=media]"));
  const media = given ?? create("div", { slot: "media" });
  media.id ||= `kaltura-avatar-${randomId()}`;
  if (!given) host.append(media);
  return media;
}

/**
 * Shows a state to the page's styles, by `:state()` or, where a browser has none, an attribute.
 *
 * @param {HTMLElement} host
 * @param {CustomStateSet | undefined} states
 * @param {import("./session-facts.js").AvatarState} state
 */
export function showState(host, states, state) {
  if (!states) host.setAttribute("state", state);
  states?.clear();
  states?.add(state);
  if (state === "speaking") states?.add("live");
}

/**
 * Hands over properties that were set before the element was defined: they hide its setters.
 *
 * @param {any} host
 */
export function upgradeProperties(host) {
  const accessors = Object.getPrototypeOf(host);
  for (const name of Object.keys(host).filter((name) => name in accessors)) {
    const value = host[name];
    delete host[name];
    host[name] = value;
  }
}
