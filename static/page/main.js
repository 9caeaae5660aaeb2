import { LineWords } from "../element/words/line-words.js";
import english from "../element/languages/en.js";
import { Presenter } from "../element/presenter.js";
import { Words } from "../element/words/words.js";
import { BrokerApi } from "../shared/broker/broker-api.js";
import { nextStepOf } from "../shared/broker/next-steps.js";
import { Problem } from "../shared/broker/problems.js";
import { byId } from "../shared/dom.js";
import { watchPlayerCalls } from "../shared/network-calls.js";
import { displayIn } from "../shared/session/avatar-player.js";
import { loadPlayer } from "../shared/session/player-loader.js";
import { SessionController } from "../shared/session/session-controller.js";
import { Microphone, canRecord } from "../shared/speech/microphone.js";
import { TabStorage } from "../shared/tab-storage.js";
import { Inspector } from "./panels/inspector.js";
import { RecordingPanel } from "./panels/recording-panel.js";

const EXAMPLES = [
  "Hello! It is good to see you. What shall we talk about today?",
  "Once upon a time, in a town by the sea, there lived a clockmaker who was always late.",
  "Did you know? Honey does not spoil. What was found in old tombs can still be eaten.",
];

/** @type {{maxTextLength: number, maxAudioSeconds: number, controls: string[], player: "builtin" | "sdk", builtinPlayerUrl: string}} */
const config = JSON.parse(byId("config").textContent ?? "");

/** The elements of the page that show a session. */
const elements = /** @type {import("../element/view/view.js").ViewElements} */ ({
  stage: byId("stage"),
  container: byId("avatar-container"),
  sound: byId("sound"),
  status: byId("status"),
  notice: byId("notice"),
  otherVoice: byId("voice"),
  caption: byId("caption"),
  spoken: byId("spoken"),
  clock: byId("clock"),
  start: byId("start"),
  stop: byId("stop"),
  end: byId("end"),
  viewing: byId("viewing"),
  mute: byId("mute"),
  volume: byId("volume"),
  captionsButton: byId("captions"),
  captionSize: byId("caption-size"),
  fullScreen: byId("full-screen"),
  composer: byId("composer"),
  text: byId("text"),
  count: byId("count"),
  speak: byId("speak"),
  pending: byId("pending"),
  example: byId("example"),
  transcript: byId("transcript"),
  lines: byId("lines"),
  saveText: byId("transcript-text"),
  saveVtt: byId("transcript-vtt"),
  waiting: byId("waiting"),
  place: byId("place"),
  estimate: byId("estimate"),
  leaveLine: byId("leave-line"),
  offer: byId("offer"),
  offerClock: byId("offer-clock"),
  resume: byId("resume"),
  decline: byId("decline"),
});

const inspector = new Inspector();
const words = new Words("en", english);
const player = loadPlayer(config);
/** @type {Presenter} */
let presenter;
const display = displayIn(() => player, {
  containerId: elements.container.id,
  clear: () => presenter.view.stage.clear(),
  playable: () => presenter.view.stage.playable(),
});
const session = new SessionController(new BrokerApi({ onCall: (call) => inspector.call(call) }), display);
presenter = new Presenter({
  session,
  elements,
  words,
  lineWords: new LineWords(words, ({ reason }) => reason),
  // The broker's own page tells all that the broker says.
  problemWords: {
    title: ({ title }) => title,
    advice: (problem) => [problem.detail, nextStepOf(problem)].filter(Boolean).join(" "),
  },
  storage: new TabStorage(),
  examples: EXAMPLES,
});
presenter.view.composer.limit(config.maxTextLength);
const recorder =
  config.controls.includes("speak-audio") && canRecord()
    ? new RecordingPanel(new Microphone(), config.maxAudioSeconds, (take) => presenter.conversation.speakAudio(take))
    : null;

presenter.on("state", ({ state }) => {
  document.body.dataset.state = state;
  recorder?.enable(state === "live");
  if (state === "ended" || state === "problem") inspector.closed();
});
session.on("opened", (opened) => inspector.opened(opened));

presenter.followPage(globalThis);
watchPlayerCalls((call) => inspector.call(call));
player.then(
  ({ name, replaced }) => {
    inspector.player(name);
    byId("note").hidden = !replaced;
  },
  (error) => presenter.tellAtOnce(Problem.fromPlayer(error)),
);
document.body.dataset.state = session.state;
void session.recover();
