import { byId } from "../shared/dom.js";

/**
 * @typedef {import("../../types/broker-api").OperationHealth} OperationHealth
 * @typedef {import("../../types/broker-api").HealthReport} HealthReport
 */

/** @type {Record<string, [string, string]>} The colour and the text of each state of the breaker. */
const BREAKER = {
  closed: ["live", "Calls go through."],
  open: ["problem", "It failed several times in a row, and is not asked for a few seconds."],
  half_open: ["connecting", "It is asked once, to see whether it is back."],
};

/** The panel that shows how full the broker is, and the state of Kaltura and the record. */
export class HealthPanel {
  /** @param {HealthReport} report */
  show(report) {
    const { live, capacity, waiting, operations } = report;
    const sessions = capacity === 1 ? "session" : "sessions";
    const open = `${live} of ${capacity} ${sessions} ${live === 1 ? "is" : "are"} open`;
    byId("headline").textContent = live ? open : "No session is open";
    byId("line-up").textContent = inLine(waiting, { taken: live, free: capacity - live });
    this.#lamp("breaker", BREAKER[report.breaker] ?? ["ready", report.breaker]);
    this.#lamp("record-state", recordState(report));
    byId("operations").hidden = operations.length === 0;
    byId("no-operations").hidden = operations.length > 0;
    const body = /** @type {HTMLElement} */ (byId("operations").querySelector("tbody"));
    body.replaceChildren(...operations.map(row));
  }

  /**
   * @param {string} id
   * @param {[string, string]} state
   */
  #lamp(id, [lit, words]) {
    byId(id).dataset.state = lit;
    const place = /** @type {HTMLElement} */ (byId(id).querySelector(".words"));
    if (place.textContent !== words) place.textContent = words;
  }
}

/**
 * @param {number} waiting
 * @param {{taken: number, free: number}} places
 */
function inLine(waiting, { taken, free }) {
  if (waiting) return `${waiting} ${waiting === 1 ? "visitor waits" : "visitors wait"} in line.`;
  return free > 0 ? `Room for ${free}${taken ? " more" : ""}. Nobody waits.` : "Every place is taken. Nobody waits in line.";
}

/**
 * @param {HealthReport} report
 * @returns {[string, string]}
 */
function recordState({ recordFails, recordWaiting }) {
  const waiting = `${recordWaiting} ${recordWaiting === 1 ? "entry waits" : "entries wait"}`;
  if (recordFails) return ["problem", `The record can’t be written just now; ${waiting}.`];
  if (recordWaiting > 100) return ["connecting", `${waiting} to be written.`];
  return ["live", "Everything is written down."];
}

/** @param {OperationHealth} operation */
function row({ operation, calls, failed, medianMs, p95Ms }) {
  const line = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = operation;
  line.append(name, cell(calls), cell(failed), cell(took(medianMs)), cell(took(p95Ms)));
  line.toggleAttribute("data-failed", failed > 0);
  return line;
}

/** @param {number | string} text */
function cell(text) {
  const made = document.createElement("td");
  made.textContent = String(text);
  return made;
}

/** @param {number} ms */
function took(ms) {
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
