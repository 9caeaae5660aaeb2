import { post } from "./operator-api.js";
import { localizeTimes } from "./time-format.js";

const signOut = /** @type {HTMLButtonElement} */ (document.getElementById("sign-out"));
const line = /** @type {HTMLElement} */ (document.getElementById("line"));

signOut.addEventListener("click", async () => {
  signOut.disabled = true;
  try {
    await post("/operator/api/sign-out");
    location.assign("/operator");
  } catch {
    signOut.disabled = false;
    signOut.textContent = "Sign out again";
  }
});
localizeTimes(document);

/**
 * Shows in the head of the page whether its data is live.
 *
 * @param {import("./live-updates.js").UpdatesStatus} standing
 */
export function showLiveStatus(standing) {
  const words = { live: "Live", lost: "Reconnecting", refused: "Not live" }[standing];
  line.hidden = false;
  line.dataset.state = { live: "live", lost: "connecting", refused: "problem" }[standing];
  /** @type {HTMLElement} */ (line.querySelector(".words")).textContent = words;
}
