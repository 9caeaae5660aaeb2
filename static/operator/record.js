import { showLiveStatus } from "./frame.js";
import { LiveUpdates } from "./live-updates.js";
import { toLocalInput } from "./time-format.js";

const MANY = 999;

const filters = /** @type {HTMLFormElement} */ (document.getElementById("filters"));
const news = /** @type {HTMLAnchorElement | null} */ (document.getElementById("news"));
const moments = /** @type {NodeListOf<HTMLInputElement>} */ (filters.querySelectorAll("[data-utc]"));

// On a phone the filters are folded, so that entries come first, unless one is set.
if (matchMedia("(max-width: 34rem)").matches && !location.search)
  /** @type {HTMLDetailsElement} */ (document.getElementById("drawer")).open = false;

for (const input of moments) input.value = toLocalInput(input.dataset.utc ?? "");

filters.addEventListener("submit", (event) => {
  event.preventDefault();
  const asked = new URLSearchParams();
  for (const [name, value] of new FormData(filters)) if (value) asked.set(name, String(value).trim());
  for (const { name, value } of moments) if (value) asked.set(name, new Date(value).toISOString());
  location.assign(`/operator/record?${asked}`);
});

document.addEventListener("click", ({ target }) => {
  const opener = target instanceof Element ? target.closest(".opener") ?? entryButton(target) : null;
  if (opener) toggle(opener);
});

/**
 * A click anywhere in a line opens it, unless it is on a link or selects text.
 *
 * @param {Element} target
 */
function entryButton(target) {
  if (target.closest("a, button") || getSelection()?.toString()) return null;
  return target.closest(".entry")?.querySelector(".opener") ?? null;
}

/** @param {Element} opener */
function toggle(opener) {
  const open = opener.getAttribute("aria-expanded") !== "true";
  opener.setAttribute("aria-expanded", String(open));
  const detail = document.getElementById(opener.getAttribute("aria-controls") ?? "");
  if (detail) detail.hidden = !open;
}

const follow = news?.dataset.follow;
if (news && follow) {
  let count = 0;
  const told = () => {
    count += 1;
    news.hidden = false;
    news.textContent = `${count > MANY ? `${MANY}+` : count} new`;
  };
  new LiveUpdates(follow, { audit: told }, showLiveStatus);
}
