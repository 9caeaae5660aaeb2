/** The query parameters that set an avatar, each with its attribute. */
export const PRESETS = { avatar: "avatar-id", voice: "voice-id", lang: "lang", theme: "theme" };

/**
 * Sets an avatar that has just been put into the page as the page's address says.
 *
 * @param {HTMLElement} avatar
 */
export function preset(avatar) {
  const address = new URLSearchParams(location.search);
  for (const [name, attribute] of Object.entries(PRESETS)) {
    const value = address.get(name);
    if (value) avatar.setAttribute(attribute, value);
  }
  // The element is furnished in the microtask before this one.
  queueMicrotask(() => fill(avatar, address.get("text") ?? ""));
}

/**
 * Writes a text into an empty box, and no more: a link must not put words into a mouth.
 *
 * @param {HTMLElement} avatar
 * @param {string} text
 */
function fill(avatar, text) {
  const box = avatar.shadowRoot?.querySelector("textarea");
  if (!box || box.value) return;
  box.value = text;
  box.dispatchEvent(new InputEvent("input"));
}
