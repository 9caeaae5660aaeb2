import controls from "./controls-css.js";
import forced from "./forced-css.js";
import rail from "./rail-css.js";
import stage from "./stage-css.js";
import theme from "./theme-css.js";

const CSS = [theme, stage, controls, rail, forced].join("\n");

/** A video that a player puts outside the shadow root, in an element of the page. */
const MEDIA_CSS = `
kaltura-avatar > [slot="media"] video {
  position: absolute !important;
  inset: 0;
  width: 100% !important;
  height: 100% !important;
  object-fit: var(--avatar-object-fit, cover);
  object-position: 50% 30%;
}
`;

/** @type {Record<string, CSSStyleSheet>} */
const sheets = {};

/**
 * Styles a shadow root. Style sheets that are adopted need no leave of the page's policy.
 *
 * @param {ShadowRoot} root
 */
export function style(root) {
  root.adoptedStyleSheets = [sheet(CSS)];
}

/**
 * Styles the element of the page that a player of its own fills.
 *
 * @param {Document | ShadowRoot} root Where it stands.
 */
export function styleMedia(root) {
  const media = sheet(MEDIA_CSS);
  if (!root.adoptedStyleSheets.includes(media)) root.adoptedStyleSheets = [...root.adoptedStyleSheets, media];
}

/** @param {string} css */
function sheet(css) {
  const made = (sheets[css] ??= new CSSStyleSheet());
  if (made.cssRules.length === 0) made.replaceSync(css);
  return made;
}
