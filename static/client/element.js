/**
 * Has the element of a broker, `<kaltura-avatar>`, defined on this page, as the broker has it now.
 *
 * @param {string} broker Its address.
 * @returns {Promise<void>} Rejects when the broker does not answer.
 */
export function loadElement(broker) {
  return load(new URL("/avatar.js", broker));
}

/**
 * Has `<kaltura-avatar-frame>` defined on this page, which shows the element in a frame.
 *
 * @param {string} broker Its address.
 * @returns {Promise<void>} Rejects when the broker does not answer.
 */
export function loadFrame(broker) {
  return load(new URL("/avatar-frame.js", broker));
}

/** @param {URL} module */
async function load({ href }) {
  // Left alone by bundlers: it is the broker's own file.
  await import(/* @vite-ignore */ /* webpackIgnore: true */ href);
}
