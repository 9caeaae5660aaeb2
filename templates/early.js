// Start can be pressed from the moment it can be seen: the page's module does what was asked for.
(() => {
  const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  const early = new AbortController();

  function onClick(/** @type {MouseEvent} */ { target }) {
    if (target !== byId("early-start")) return;
    byId("early-start").ariaBusy = "true";
    byId("early-status").textContent = "Connecting";
  }

  // Modules run before this event, unless one of them is missing.
  function onParsed() {
    early.abort();
    if (document.body.dataset.state) return;
    const start = /** @type {HTMLButtonElement} */ (byId("early-start"));
    start.ariaBusy = null;
    start.disabled = true;
    byId("early-status").textContent = "This page did not load";
    byId("early-notice").hidden = false;
  }

  document.addEventListener("click", onClick, { signal: early.signal });
  document.addEventListener("DOMContentLoaded", onParsed);
})();
