import "../element/index.js";
import { causeOf } from "../shared/broker/end-reasons.js";
import { nextStepOf } from "../shared/broker/next-steps.js";
import { byId } from "../shared/dom.js";
import { watchFetch, watchXhr } from "../shared/pages/network-calls.js";
import { preset } from "../shared/presets.js";
import { PLAYER_NAMES } from "../shared/session/player-loader.js";
import { Microphone, canRecord } from "../shared/speech/microphone.js";
import { Inspector } from "./panels/inspector.js";
import { RecordingPanel } from "./panels/recording-panel.js";

const EXAMPLES = [
  "Hello! It is good to see you. What shall we talk about today?",
  "Once upon a time, in a town by the sea, there lived a clockmaker who was always late.",
  "Did you know? Honey does not spoil. What was found in old tombs can still be eaten.",
];

/** @type {{maxAudioSeconds: number, controls: string[], player: "builtin" | "sdk", phrases: string[]}} */
const config = JSON.parse(byId("config").textContent ?? "");
const avatar = /** @type {import("../element/kaltura-avatar.js").KalturaAvatar} */ (byId("avatar"));
/** The developer's panel; PAGE_DEVELOPER decides whether there is one. */
const inspector = document.getElementById("inspector") ? new Inspector() : null;
const sdk = import("@unisphere/models-sdk-js");
sdk.catch(() => {}); // The element shows the failure.

avatar.examples = config.phrases.length > 0 ? config.phrases : EXAMPLES;
avatar.importSdk = () => sdk;
// The broker's own page tells all that the broker says.
avatar.problemWords = {
  title: ({ title }) => title,
  advice: (problem) => [causeOf(problem), nextStepOf(problem)].filter(Boolean).join(" "),
  reasonOf: ({ reason }) => reason,
};
const recorder =
  config.controls.includes("speak-audio") && canRecord()
    ? new RecordingPanel(new Microphone(), config.maxAudioSeconds, (take) => avatar.speakAudio(take.blob))
    : null;

avatar.addEventListener("avatar-state", () => showState());
if (inspector) {
  watchFetch(() => inspector);
  watchXhr((call) => inspector.called(call));
}
showState();
preset(avatar);
queueMicrotask(takeOver); // The element has begun by then.
void preload();

function showState() {
  const { state, problem } = avatar;
  document.body.dataset.state = state;
  byId("farewell").hidden = state !== "ended" || problem !== null; // A problem has a notice of its own.
  recorder?.enable(state === "live" || state === "speaking");
  if (state === "ended" || state === "problem") inspector?.closed();
}

/** Gives the element's own Start what the one before it had: the focus, and a press. */
function takeOver() {
  const early = byId("early-start");
  const start = /** @type {HTMLElement | null | undefined} */ (avatar.shadowRoot?.querySelector("[name=start] > button"));
  if (early === document.activeElement) start?.focus();
  if (early.ariaBusy) start?.click();
  byId("early").remove();
}

async function preload() {
  const player = await avatar.preload();
  if (!player) return;
  inspector?.player(PLAYER_NAMES[player]);
  byId("note").hidden = player === config.player;
}
