/**
 * The element of an id that the page is known to have.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @typedef {Record<string, string | boolean | EventListener | undefined>} Attributes */

/**
 * An element with attributes, handlers (`onclick`) and children. `true` sets an attribute without
 * a value; `false` and `undefined` leave it out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function create(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  furnish(made, attributes);
  made.append(...children);
  return made;
}

/**
 * Makes an SVG element with attributes and children.
 *
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {Node[]} children
 */
export function createSvg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  furnish(made, attributes);
  made.append(...children);
  return made;
}

/**
 * @param {Element} element
 * @param {Attributes} attributes
 */
function furnish(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
}
