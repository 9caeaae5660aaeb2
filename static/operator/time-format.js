const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DATE = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/**
 * Shows every time inside `root` in the operator's time zone; its title keeps UTC.
 *
 * @param {ParentNode} root
 */
export function localizeTimes(root) {
  const today = new Date().toDateString();
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(/** @type {HTMLTimeElement} */ (element).dateTime);
    const time = TIME.format(at);
    element.textContent = at.toDateString() === today ? time : `${DATE.format(at)}, ${time}`;
  }
}

/**
 * A time in the format of `<input type="datetime-local">`.
 *
 * @param {string} moment ISO 8601; without a zone it is UTC
 */
export function toLocalInput(moment) {
  const at = new Date(/[zZ]|[+-]\d\d:?\d\d$/.test(moment) ? moment : `${moment}Z`);
  if (Number.isNaN(at.getTime())) return "";
  const shifted = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}
