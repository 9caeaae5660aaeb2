import { Alarms } from "./alarms.js";
import { Api } from "./api.js";
import { watchPlayerCalls } from "./calls.js";
import { Captions } from "./captions.js";
import { Clock } from "./clock.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { Ear } from "./ear.js";
import { Inspector } from "./inspector.js";
import { keepSpeech, takeSpeech } from "./keeping.js";
import { Microphone, canRecord } from "./microphone.js";
import { Notice, newsOf } from "./notice.js";
import { Problem } from "./problems.js";
import { Recorder } from "./recorder.js";
import { ResumePanel } from "./resuming.js";
import { loadPlayer } from "./sdk.js";
import { Session } from "./session.js";
import { Speech } from "./speech.js";
import { Stage, byId } from "./stage.js";
import { StatusLine } from "./status.js";
import { Tempo } from "./tempo.js";
import { Transcript } from "./transcript.js";
import { Viewing } from "./viewing.js";
import { WaitingPanel } from "./waiting.js";

/** How long one may be asked to wait beside a button that counts down. */
const PATIENCE_SECONDS = 120;

/** So many seconds may still be called a minute. */
const FULL_MINUTE = 55;

/** @type {{maxTextLength: number, maxAudioSeconds: number, controls: string[], player: "builtin" | "sdk", builtinPlayerUrl: string}} */
const config = JSON.parse(byId("config").textContent ?? "");

const start = /** @type {HTMLButtonElement} */ (byId("start"));
const stop = /** @type {HTMLButtonElement} */ (byId("stop"));
const end = /** @type {HTMLButtonElement} */ (byId("end"));

const inspector = new Inspector();
const notice = new Notice();
const alarms = new Alarms((/** @type {import("./notice.js").News | undefined} */ news) => notice.show(news));
const status = new StatusLine();
const stage = new Stage();
const viewing = new Viewing((sound) => stage.setSound(sound));
const transcript = new Transcript((line) => {
  composer.withdraw(line.text);
  void conversation.speak(line.text);
});
const tempo = new Tempo();
const speech = new Speech(changed, new Captions(byId("caption"), byId("spoken"), tempo), tempo);
const ear = new Ear((voice) => speech.heard(voice, true));
const player = loadPlayer(config);
const session = new Session(new Api((call) => inspector.call(call)), player, stage);
const composer = new Composer(config.maxTextLength, {
  onSpeak: (text) => void conversation.speak(text),
  onPending: () => void session.start(),
});
const conversation = new Conversation(session, speech, {
  added: (line) => {
    transcript.add(line);
    if (line.cues?.[0]) transcript.begin(line.cues[0].from);
  },
  accepted: () => calm("call"),
  trouble: (problem, line) => (line.fate === "unclear" ? tellUnclear(problem) : tell(problem)),
  returned: (text) => composer.restore(text),
});
const recorder =
  config.controls.includes("speak-audio") && canRecord()
    ? new Recorder(new Microphone(), config.maxAudioSeconds, (take) => conversation.speakAudio(take))
    : null;
const waiting = new WaitingPanel(() => session.end());
const resuming = new ResumePanel({
  onResume: () => void session.start(),
  onEnd: () => session.end(),
});
const clock = new Clock(byId("clock"), {
  onLastMinute: (seconds) => {
    if (seconds === null) return alarms.end("time");
    alarms.raise("time", {
      title: seconds > FULL_MINUTE ? "One minute left" : "Less than a minute left",
      words: "The session ends by itself when its time is up.",
    });
  },
  onZero: () => void session.check(),
});
/** What the page before this one knew of its speech. */
let kept = takeSpeech();

/**
 * What a click can do about a problem that keeps a session from being opened.
 *
 * @param {Problem} problem
 * @returns {import("./notice.js").Remedy | undefined}
 */
function remedyFor(problem) {
  const { name, retryAfter = 0 } = problem;
  if (name === "too-many-sessions")
    return { label: "End it and start here", run: () => void session.startInstead() };
  if (name === "player-failed") return { label: "Reload", run: () => location.reload() };
  if (!problem.mayPass || retryAfter >= PATIENCE_SECONDS) return undefined;
  return { label: "Try again", seconds: retryAfter, run: () => void session.start() };
}

/**
 * Whether an element that has the focus may keep it.
 *
 * @param {Element | null} element
 */
function isUsable(element) {
  return element !== null && element.matches(":enabled") && element.getClientRects().length > 0;
}

/**
 * Shows what has become of a line, and tells the broker what is heard of it.
 *
 * @param {import("./speech.js").Line} line
 */
function changed(line) {
  transcript.update(line);
  if (conversation.isClear) alarms.end("unclear");
  if (line.fate === "speaking") void session.heard(line.turnId, "started");
  if (line.fate === "said") void session.heard(line.turnId, "ended");
}

async function interrupt() {
  try {
    await conversation.interrupt();
    calm("call");
  } catch (error) {
    tell(Problem.fromFailure(error), { label: "Try again", run: () => void interrupt() });
  }
}

/**
 * Tells of a call that failed and leaves the session as it is.
 *
 * @param {Problem} problem
 * @param {import("./notice.js").Remedy} [remedy]
 */
function tell(problem, remedy) {
  if (session.state !== "live") return;
  // The session's signs of life tell when there is a connection again.
  const cause = problem.unanswered ? "connection" : "call";
  alarms.raise(cause, newsOf(problem, remedy), remedy ? undefined : problem.retryAfter);
  status.pass(problem);
}

/**
 * The answer to a text was lost: it is no failure, and not to be said again at once.
 *
 * @param {Problem} problem
 */
function tellUnclear(problem) {
  const words = "It is unclear whether your text arrived: you may hear it. Wait for that before you say it again.";
  alarms.raise("unclear", { title: "No answer to your text", words, requestId: problem.requestId });
  status.pass(problem);
}

/** @param {import("./alarms.js").Cause[]} causes That are over. */
function calm(...causes) {
  alarms.end(...causes);
  status.settle();
}

session.on("state", ({ state, problem }) => {
  stage.become(state);
  status.become(state, problem);
  waiting.hide();
  document.body.dataset.state = state;
  start.disabled = state === "connecting" || state === "live";
  end.disabled = state !== "connecting" && state !== "live";
  stop.disabled = state !== "live";
  recorder?.enable(state === "live");
  viewing.enable(state === "live");
  alarms.end();
  if (state === "live") transcript.begin();
  composer.become(state);
  if (state === "live") {
    composer.focus();
    ear.listen(stage.source);
    clock.remind();
  } else if (!isUsable(document.activeElement)) start.focus({ preventScroll: true });
  if (problem) alarms.raise("state", newsOf(problem, remedyFor(problem)));
  if (state !== "live") {
    ear.close();
    stage.speak(false);
  }
  if (state === "ended" || state === "problem") {
    conversation.end();
    clock.stop();
    waiting.calm();
    inspector.closed();
  }
});
session.on("waiting", (wait) => waiting.show(wait));
session.offer.on("made", (opened) => resuming.show(opened));
session.offer.on("withdrawn", () => resuming.hide());
session.on("opened", (opened) => {
  conversation.begin(opened, kept);
  kept = null;
  clock.start(opened.secondsLeft);
  inspector.opened(opened);
});
// The broker may be a moment behind its own clock; it is asked again rather than at once.
session.on("timeLeft", (seconds) => clock.set(Math.max(seconds, 2)));
session.on("utterance", (utterance) => {
  if (utterance.state === "speaking") byId("voice").hidden = !utterance.fallback;
  conversation.hearOf(utterance);
});
session.on("trouble", ({ cause, problem }) => {
  if (session.state !== "live") return;
  if (problem) {
    alarms.raise(cause, newsOf(problem));
    status.pass(problem);
  } else calm(cause);
});
session.on("speaking", (speaking) => {
  stage.speak(speaking);
  if (!ear.hears) speech.heard(speaking);
});

start.addEventListener("click", () => void session.start());
stop.addEventListener("click", () => void interrupt());
end.addEventListener("click", () => session.end());
addEventListener("keydown", ({ key, isComposing, defaultPrevented }) => {
  if (key === "Escape" && !isComposing && !defaultPrevented && !stop.disabled && !stop.hidden) void interrupt();
});
addEventListener("pagehide", () => {
  session.leave();
  keepSpeech(conversation.keep());
});
addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  kept = takeSpeech();
  void session.comeBack();
});
addEventListener("online", () => void session.check());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") void session.check();
});

watchPlayerCalls((call) => inspector.call(call));
player.then(
  ({ name, replaced }) => {
    inspector.player(name);
    byId("note").hidden = !replaced;
  },
  (error) => alarms.raise("state", newsOf(Problem.fromPlayer(error), remedyFor(Problem.fromPlayer(error)))),
);
document.body.dataset.state = session.state;
void session.recover();
