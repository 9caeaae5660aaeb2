/**
 * Has the element of a broker, `<kaltura-avatar>`, defined on this page, as the broker has it now.
 *
 * @param {string} broker Its address.
 * @returns {Promise<void>} Rejects when the broker does not answer.
 */
export async function loadElement(broker) {
  // Left alone by bundlers: it is the broker's own file.
  await import(/* @vite-ignore */ /* webpackIgnore: true */ new URL("/avatar.js", broker).href);
}
