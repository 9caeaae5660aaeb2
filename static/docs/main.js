import { addCopyButtons } from "../shared/pages/copy-buttons.js";
import { byId } from "../shared/dom.js";

const WIDE = "(min-width: 75rem)";

const contents = /** @type {HTMLDetailsElement} */ (byId("contents"));

/**
 * Opens the call that a link names.
 *
 * @param {string} hash
 */
function openCall(hash) {
  const named = document.getElementById(hash.slice(1));
  if (named instanceof HTMLDetailsElement) named.open = true;
}

addCopyButtons();
contents.open = matchMedia(WIDE).matches;
openCall(location.hash);
addEventListener("hashchange", () => openCall(location.hash));
// A link to the present hash fires no event, and the call may have been closed since.
contents.addEventListener("click", ({ target }) => {
  const link = target instanceof Element && target.closest("a");
  if (link) openCall(link.hash);
});
