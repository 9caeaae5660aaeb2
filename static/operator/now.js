import { byId } from "../shared/dom.js";
import { showLiveStatus } from "./frame.js";
import { HealthPanel } from "./health-panel.js";
import { LiveUpdates } from "./live-updates.js";
import { ReplicasPanel } from "./replicas-panel.js";
import { SessionCard } from "./session-card.js";

const TICK_MS = 1000;

const list = byId("sessions");
const template = /** @type {HTMLTemplateElement} */ (byId("session-card"));
const { words } = /** @type {HTMLElement} */ (document.querySelector(".now")).dataset;
const health = new HealthPanel();
const replicas = new ReplicasPanel();

/** @type {Map<string, SessionCard>} */
const cards = new Map();

/**
 * @param {import("../../types/broker-api").LiveSessionList} news
 * @param {boolean} [first] Whether these are the sessions at the start, which are not announced.
 */
function show({ at, sessions }, first = false) {
  const open = new Set(sessions.map(({ sessionId }) => sessionId));
  const gone = [...cards.keys()].filter((id) => !open.has(id));
  const come = sessions.filter(({ sessionId }) => !cards.has(sessionId));
  for (const id of gone) remove(id);
  for (const session of sessions) {
    const card = cards.get(session.sessionId) ?? new SessionCard(template, { keepsWords: words === "full" });
    cards.set(session.sessionId, card);
    card.show(session, Date.parse(at));
  }
  arrange(sessions.map(({ sessionId }) => sessionId));
  byId("empty").hidden = sessions.length > 0;
  if (!first && (gone.length || come.length)) announce(come.length, gone.length);
}

/** @param {import("../../types/broker-api").HealthReport} report */
function showHealth(report) {
  health.show(report);
  replicas.show(report.replicas);
}

/** @param {string} id */
function remove(id) {
  const element = cards.get(id)?.element;
  const held = element?.contains(document.activeElement);
  element?.remove();
  cards.delete(id);
  if (held) byId("headline").focus();
}

/**
 * Puts the cards in this order, moving as few as possible: a moved element loses its focus.
 *
 * @param {string[]} ids
 */
function arrange(ids) {
  ids.forEach((id, index) => {
    const element = /** @type {SessionCard} */ (cards.get(id)).element;
    const there = list.children[index] ?? null;
    if (there !== element) list.insertBefore(element, there);
  });
}

/**
 * @param {number} come
 * @param {number} gone
 */
function announce(come, gone) {
  const told = [come && `${counted(come)} began`, gone && `${counted(gone)} ended`];
  byId("announcer").textContent = `${told.filter(Boolean).join(", ")}.`;
}

/** @param {number} sessions */
function counted(sessions) {
  return `${sessions} session${sessions === 1 ? "" : "s"}`;
}

/** @param {string} id */
function told(id) {
  return JSON.parse(byId(id).textContent ?? "");
}

show(told("sessions-now"), true);
showHealth(told("health-now"));
new LiveUpdates(
  "/operator/api/events",
  { sessions: show, health: showHealth },
  showLiveStatus,
);
setInterval(() => cards.forEach((card) => card.tick()), TICK_MS);
