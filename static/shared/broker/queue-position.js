/**
 * A place in line in words.
 *
 * @param {number | null} position 1 is next; null is not known yet.
 */
export function positionText(position) {
  if (position === null) return "You are in line";
  return position === 1 ? "You are next in line" : `You are ${ordinal(position)} in line`;
}

/** @param {number} number */
function ordinal(number) {
  const teen = number % 100 >= 11 && number % 100 <= 13;
  return number + (teen ? "th" : (["th", "st", "nd", "rd"][number % 10] ?? "th"));
}
