/**
 * Notes for this tab's next page that this one has left a session.
 *
 * @param {string} broker Its origin, or nothing on its own pages.
 */
export function noteLeft(broker) {
  try {
    sessionStorage.setItem(keyOf(broker), "left");
  } catch {
    // A browser that stores nothing forgets it; the session ends in a moment.
  }
}

/**
 * Whether the tab's previous page left a session; true once only.
 *
 * @param {string} broker
 */
export function takeLeft(broker) {
  try {
    const isLeft = sessionStorage.getItem(keyOf(broker)) !== null;
    sessionStorage.removeItem(keyOf(broker));
    return isLeft;
  } catch {
    return false;
  }
}

/** @param {string} broker */
function keyOf(broker) {
  return `left-session ${broker}`.trim();
}
