/** @type {Record<string, string>} Why the broker ended a session, by its `endReason`. */
const REASONS = {
  visitor: "It was ended from elsewhere, perhaps from another tab.",
  left: "Its page was left or closed.",
  idle: "It was idle for too long.",
  expired: "Its time was up.",
  budget: "Today's minutes are used up.",
  shutdown: "The server was stopped.",
  gone: "Kaltura ended it.",
  failed: "Kaltura could not set it up.",
  operator: "It was ended by whoever runs this page.",
};

/**
 * Why there is a problem, for the page's English: why the session ended, or else what the broker says.
 *
 * @param {Pick<import("./problems.js").Problem, "endReason" | "detail">} problem
 */
export function causeOf({ endReason, detail }) {
  return REASONS[endReason ?? ""] ?? detail;
}
