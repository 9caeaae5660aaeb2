/**
 * A place in line in words.
 *
 * @param {number | null} position 1 is next; null is not known yet.
 */
export function positionText(position) {
  if (position === null) return "You are in line";
  return position === 1 ? "You are next in line" : `You are ${ordinal(position)} in line`;
}

/**
 * How long it may take until it is one's turn, in a sentence.
 *
 * @param {number | null} seconds null is not known.
 */
export function estimateText(seconds) {
  if (seconds === null) return "";
  if (seconds <= 20) return "It is only a moment now.";
  if (seconds <= 45) return "It takes about half a minute.";
  if (seconds < 90) return "It takes about a minute.";
  if (seconds < 90 * 60) return `It takes about ${Math.round(seconds / 60)} minutes.`;
  return `It takes about ${Math.round(seconds / 3600)} hours.`;
}

/** @param {number} number */
function ordinal(number) {
  const teen = number % 100 >= 11 && number % 100 <= 13;
  return number + (teen ? "th" : (["th", "st", "nd", "rd"][number % 10] ?? "th"));
}
