import { byId } from "../shared/dom.js";
import { ElementRemote } from "./element-remote.js";

/** @type {{ancestors: string[], asksLogin: boolean}} */
const config = JSON.parse(byId("config").textContent ?? "");

/** The attributes that the address may set. */
const PRESETS = { avatar: "avatar-id", voice: "voice-id", lang: "lang", theme: "theme" };

const presets = new URLSearchParams(location.search);
const avatar = document.createElement("kaltura-avatar");
for (const [name, attribute] of Object.entries(PRESETS)) {
  const value = presets.get(name);
  if (value) avatar.setAttribute(attribute, value);
}
const remote = new ElementRemote(avatar, globalThis, config.ancestors);
if (config.asksLogin) avatar.getAuthToken = (asked) => remote.askAuthToken(asked);
document.querySelector("main")?.append(avatar);
// The element is furnished in the microtask before this one.
queueMicrotask(() => fill(presets.get("text") ?? ""));

/**
 * Writes a text into an empty box, and no more: a link must not put words into a mouth.
 *
 * @param {string} text
 */
function fill(text) {
  const box = avatar.shadowRoot?.querySelector("textarea");
  if (!box || box.value) return;
  box.value = text;
  box.dispatchEvent(new InputEvent("input"));
}
