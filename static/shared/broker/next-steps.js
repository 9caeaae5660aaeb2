/**
 * What to do next, by the name of the problem; `{when}` is "in 20 seconds" or "in a moment".
 *
 * @type {Record<string, string>}
 */
const NEXT_STEPS = {
  "invalid-request": "Change the text and try again.",
  unauthenticated: "Press Start to open a new session.",
  "sign-in": "",
  "cross-site-request": "Open this page at its own address, not inside another site.",
  "control-not-allowed": "Only whoever runs this page can allow it.",
  "session-not-found": "Press Start to open a new session.",
  "session-ended": "Press Start to open a new session.",
  "rate-limited": "Try again {when}.",
  "too-many-sessions": "It may be in another tab, or one that was closed a moment ago.",
  "budget-spent": "Come back {when}.",
  "at-capacity": "Press Start again {when}.",
  "record-unavailable": "Only whoever runs this page can mend it; tell them the request id.",
  "replica-unavailable": "Try again {when}.",
  "outcome-unknown": "Wait whether the avatar says it before you say it again.",
  "kaltura-credentials-rejected": "Only whoever runs this page can mend it; tell them the request id.",
  "kaltura-busy": "Try again {when}.",
  "kaltura-timeout": "Try again {when}.",
  "kaltura-error": "Try again {when}; if it stays, tell whoever runs this page the request id.",
  "kaltura-unavailable": "Try again {when}.",
  "speech-unavailable": "Try again {when}.",
  "sign-in-unavailable": "Try again {when}.",
  "speech-refused": "Say it differently.",
  "ticket-not-found": "Press Start to get in line again.",
  "queue-full": "Let the avatar finish, or press Stop, and try again {when}.",
  unreachable: "Check your connection, then try again.",
  "no-answer": "Try again {when}.",
  reconnecting: "Nothing needs to be done.",
  "player-failed": "Reload the page.",
  "no-webrtc": "Switch WebRTC on in its settings, or open this page in another browser.",
  "media-timeout": "Press Start to try again; if it stays, a firewall may be holding back WebRTC.",
  "ice-failed": "Press Start to try again; if it stays, try another network: this one may hold back WebRTC.",
  "viewer-taken": "Close the other tab that shows this session, then press Start.",
  "auth-token-failed": "Sign in again; if it stays, tell whoever runs this page.",
  "fetch-session-failed": "Try again {when}; if it stays, tell whoever runs this page.",
};

const ANYTHING_ELSE = "Press Start to try again.";

/**
 * One sentence about what to do now about a problem, for the page's English.
 *
 * @param {import("./problems.js").Problem} problem
 */
export function nextStepOf({ name, endReason, retryAfter }) {
  if (endReason === "budget") return "There are new ones tomorrow.";
  const when = retryAfter ? `in ${inWords(retryAfter)}` : "in a moment";
  return (NEXT_STEPS[name] ?? ANYTHING_ELSE).replace("{when}", when);
}

/** @param {number} seconds */
function inWords(seconds) {
  if (seconds < 90) return counted(seconds, "second");
  if (seconds < 90 * 60) return counted(Math.ceil(seconds / 60), "minute");
  return counted(Math.ceil(seconds / 3600), "hour");
}

/**
 * @param {number} amount
 * @param {string} unit
 */
function counted(amount, unit) {
  return `${amount} ${unit}${amount === 1 ? "" : "s"}`;
}
