import { create } from "./dom.js";

const SHOWN_MS = 5000;

/** Gives each code of the page a button that copies it, and the page a status that says so. */
export function addCopyButtons() {
  const tell = addStatus();
  for (const figure of document.querySelectorAll("figure.code")) {
    const code = /** @type {HTMLElement} */ (figure.querySelector("code"));
    const copy = async () => tell(await copied(code));
    figure.querySelector("figcaption")?.after(create("button", { type: "button", onclick: copy }, "Copy"));
  }
}

/** A status at the foot of the window, and what makes it say something for a while. */
function addStatus() {
  const status = create("p", { class: "copied", role: "status" });
  document.querySelector("main")?.append(status);
  let timer = 0;
  return (/** @type {string} */ words) => {
    clearTimeout(timer);
    status.textContent = words;
    timer = setTimeout(() => status.replaceChildren(), SHOWN_MS);
  };
}

/**
 * Copies a code where the browser allows it, and else selects it; says which.
 *
 * @param {HTMLElement} code
 */
async function copied(code) {
  try {
    await navigator.clipboard.writeText(code.textContent ?? "");
    return "Copied";
  } catch {
    getSelection()?.selectAllChildren(code);
    return "Selected, to be copied";
  }
}
