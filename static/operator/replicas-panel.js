import { byId } from "../shared/dom.js";

/** @typedef {import("../../types/broker-api").ReplicaHealth} ReplicaHealth */

/** @type {Record<string, [string, string]>} The colour and the text of each state of a replica. */
const STATES = {
  up: ["live", "takes new sessions."],
  draining: ["connecting", "takes no more sessions: it is about to stop."],
  suspended: ["problem", "has not renewed its lease: it opens and says nothing."],
  dead: ["ready", "is no more. The others have its sessions."],
};

const BREAKER = {
  open: "It does not ask Kaltura just now.",
  half_open: "It asks Kaltura once, to see whether it is back.",
};

/** The panel that shows the processes which share one Postgres; with SQLite there is none. */
export class ReplicasPanel {
  #panel = byId("replicas");
  #list = /** @type {HTMLElement} */ (this.#panel.querySelector("ul"));
  #template = /** @type {HTMLTemplateElement} */ (byId("replica"));

  /** @param {ReplicaHealth[]} replicas */
  show(replicas) {
    this.#panel.hidden = replicas.length === 0;
    while (this.#list.children.length > replicas.length) this.#list.lastElementChild?.remove();
    while (this.#list.children.length < replicas.length)
      this.#list.append(this.#template.content.cloneNode(true));
    replicas.forEach((replica, index) => {
      show(/** @type {Element} */ (this.#list.children[index]), replica);
    });
  }
}

/**
 * @param {Element} item
 * @param {ReplicaHealth} replica
 */
function show(item, replica) {
  const { name, url, version, state, live, textsWaiting } = replica;
  const [lit, words] = STATES[state] ?? ["ready", state];
  /** @type {HTMLElement} */ (item).dataset.state = lit;
  write(item, ".name", shortName(name));
  write(item, ".this-one", replica.thisOne ? "It answers here." : "");
  write(item, ".does", words);
  write(item, ".trouble", trouble(replica));
  write(item, ".url", new URL(url).host);
  write(item, ".version", version);
  write(item, ".live", String(live));
  write(item, ".texts", String(textsWaiting));
  write(item, ".lease", `${Math.round(replica.leaseAgeSeconds)} s ago`);
}

/**
 * The name of a replica as it is shown, which is enough to tell it from others.
 *
 * @param {string} name
 */
export function shortName(name) {
  return name.slice(0, 8);
}

/** @param {ReplicaHealth} replica */
function trouble({ state, breaker, sameSettings }) {
  if (state === "dead") return "";
  const asks = BREAKER[/** @type {keyof typeof BREAKER} */ (breaker)];
  const settings = sameSettings ? "" : "Its settings are not those of the one that answers here.";
  return [asks, settings].filter(Boolean).join(" ");
}

/**
 * @param {Element} item
 * @param {string} name
 * @param {string} text
 */
function write(item, name, text) {
  const part = /** @type {HTMLElement} */ (item.querySelector(name));
  if (part.textContent !== text) part.textContent = text;
}
