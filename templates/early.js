// What is pressed before the page's modules have run is kept, and pressed again once they have.
(() => {
  /** @type {Set<HTMLElement>} */
  const pressed = new Set();
  const early = new AbortController();
  const options = { capture: true, signal: early.signal };
  const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  const speak = () => /** @type {HTMLButtonElement} */ (byId("speak"));

  function keep(/** @type {Event} */ event, /** @type {HTMLElement} */ button) {
    event.preventDefault();
    pressed.add(button);
    button.setAttribute("aria-busy", "true");
    if (button.matches("#start, #speak")) byId("status").textContent = "Connecting";
  }

  function onClick(/** @type {MouseEvent} */ event) {
    const button = /** @type {Element} */ (event.target).closest("button");
    if (button) keep(event, button);
  }

  function onInput(/** @type {Event} */ { target }) {
    speak().disabled = /** @type {HTMLTextAreaElement} */ (target).value.trim() === "";
  }

  function onKeydown(/** @type {KeyboardEvent} */ event) {
    const { key, ctrlKey, metaKey, isComposing, target } = event;
    const isSpeak = key === "Enter" && (ctrlKey || metaKey) && !isComposing && target === byId("text");
    if (isSpeak && !speak().disabled) keep(event, speak());
  }

  // Modules run before this event, unless one of them is missing.
  function onParsed() {
    early.abort();
    for (const button of pressed) {
      button.removeAttribute("aria-busy");
      button.click();
    }
    const { state } = document.body.dataset;
    if (state === "ready") byId("status").textContent = "Ready";
    if (state) return;
    byId("status").textContent = "This page did not load";
    byId("notice").textContent = "A part of it is missing. Reload this page, or open it in a newer browser.";
    byId("notice").hidden = false;
    /** @type {HTMLButtonElement} */ (byId("start")).disabled = true;
  }

  document.addEventListener("click", onClick, options);
  document.addEventListener("input", onInput, options);
  document.addEventListener("keydown", onKeydown, options);
  document.addEventListener("DOMContentLoaded", onParsed);
})();
