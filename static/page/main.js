import { BrokerApi } from "../shared/broker/broker-api.js";
import { Problem } from "../shared/broker/problems.js";
import { byId } from "../shared/dom.js";
import { watchPlayerCalls } from "../shared/network-calls.js";
import { loadPlayer } from "../shared/session/player-loader.js";
import { displayIn } from "../shared/session/avatar-player.js";
import { SessionController } from "../shared/session/session-controller.js";
import { Captions } from "./captions/captions.js";
import { Alerts } from "./panels/alerts.js";
import { Composer } from "./panels/composer.js";
import { Countdown } from "./panels/countdown.js";
import { Inspector } from "./panels/inspector.js";
import { Notice, noticeOf } from "./panels/notice.js";
import { PlaybackSettings } from "./panels/playback-settings.js";
import { RecordingPanel } from "./panels/recording-panel.js";
import { ResumePanel } from "./panels/resume-panel.js";
import { Stage } from "./panels/stage.js";
import { StatusLine } from "./panels/status-line.js";
import { WaitingPanel } from "./panels/waiting-panel.js";
import { Conversation } from "./speech/conversation.js";
import { Microphone, canRecord } from "./speech/microphone.js";
import { SpeakingRate } from "./speech/speaking-rate.js";
import { SpeechTracker } from "./speech/speech-tracker.js";
import { VoiceActivityDetector } from "./speech/voice-activity.js";
import { saveSpeech, takeSpeech } from "./tab-storage.js";
import { Transcript } from "./transcript/transcript.js";

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
const alerts = new Alerts((/** @type {import("./panels/notice.js").NoticeContent | undefined} */ news) => notice.show(news));
const status = new StatusLine();
const stage = new Stage();
const playback = new PlaybackSettings((sound) => stage.setSound(sound));
const transcript = new Transcript((line) => {
  composer.withdraw(line.text);
  void conversation.speak(line.text);
});
const speakingRate = new SpeakingRate();
const speech = new SpeechTracker(changed, new Captions(byId("caption"), byId("spoken"), speakingRate), speakingRate);
const voiceActivity = new VoiceActivityDetector((voice) => speech.heard(voice, true));
const player = loadPlayer(config);
const session = new SessionController(
  new BrokerApi({ onCall: (call) => inspector.call(call) }),
  displayIn(player, stage),
);
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
  trouble: (problem, line) => (line.state === "unclear" ? tellUnclear(problem) : tell(problem)),
  returned: (text) => composer.restore(text),
});
const recorder =
  config.controls.includes("speak-audio") && canRecord()
    ? new RecordingPanel(new Microphone(), config.maxAudioSeconds, (take) => conversation.speakAudio(take))
    : null;
const waitingPanel = new WaitingPanel(() => session.end());
const resumePanel = new ResumePanel({
  onResume: () => void session.start(),
  onEnd: () => session.end(),
});
const countdown = new Countdown(byId("clock"), {
  onLastMinute: (seconds) => {
    if (seconds === null) return alerts.end("time");
    alerts.raise("time", {
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
 * @returns {import("./panels/notice.js").Remedy | undefined}
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
 * @param {import("./speech/speech-tracker.js").Line} line
 */
function changed(line) {
  transcript.update(line);
  if (conversation.isClear) alerts.end("unclear");
  if (line.state === "speaking") void session.heard(line.turnId, "started");
  if (line.state === "said") void session.heard(line.turnId, "ended");
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
 * @param {import("./panels/notice.js").Remedy} [remedy]
 */
function tell(problem, remedy) {
  if (session.state !== "live") return;
  // The session's signs of life tell when there is a connection again.
  const cause = problem.unanswered ? "connection" : "call";
  alerts.raise(cause, noticeOf(problem, remedy), remedy ? undefined : problem.retryAfter);
  status.pass(problem);
}

/**
 * The answer to a text was lost: it is no failure, and not to be said again at once.
 *
 * @param {Problem} problem
 */
function tellUnclear(problem) {
  const words = "It is unclear whether your text arrived: you may hear it. Wait for that before you say it again.";
  alerts.raise("unclear", { title: "No answer to your text", words, requestId: problem.requestId });
  status.pass(problem);
}

/** @param {import("./panels/alerts.js").Cause[]} causes That are over. */
function calm(...causes) {
  alerts.end(...causes);
  status.settle();
}

session.on("state", ({ state, problem }) => {
  stage.become(state);
  status.become(state, problem);
  waitingPanel.hide();
  document.body.dataset.state = state;
  start.disabled = state === "connecting" || state === "live";
  end.disabled = state !== "connecting" && state !== "live";
  stop.disabled = state !== "live";
  recorder?.enable(state === "live");
  playback.enable(state === "live");
  alerts.end();
  if (state === "live") transcript.begin();
  composer.become(state);
  if (state === "live") {
    composer.focus();
    voiceActivity.listen(stage.source);
    countdown.remind();
  } else if (!isUsable(document.activeElement)) start.focus({ preventScroll: true });
  if (problem) alerts.raise("state", noticeOf(problem, remedyFor(problem)));
  if (state !== "live") {
    voiceActivity.close();
    stage.speak(false);
  }
  if (state === "ended" || state === "problem") {
    conversation.end();
    countdown.stop();
    waitingPanel.calm();
    inspector.closed();
  }
});
session.on("waiting", (wait) => waitingPanel.show(wait));
session.resumable.on("found", (opened) => resumePanel.show(opened));
session.resumable.on("gone", () => resumePanel.hide());
session.on("opened", (opened) => {
  conversation.begin(opened, kept);
  kept = null;
  countdown.start(opened.secondsLeft);
  inspector.opened(opened);
});
// The broker may be a moment behind its own clock; it is asked again rather than at once.
session.on("timeLeft", (seconds) => countdown.set(Math.max(seconds, 2)));
session.on("utterance", (utterance) => {
  if (utterance.state === "speaking") byId("voice").hidden = !utterance.fallback;
  conversation.hearOf(utterance);
});
session.on("trouble", ({ cause, problem }) => {
  if (session.state !== "live") return;
  if (problem) {
    alerts.raise(cause, noticeOf(problem));
    status.pass(problem);
  } else calm(cause);
});
session.on("speaking", (speaking) => {
  stage.speak(speaking);
  if (!voiceActivity.hears) speech.heard(speaking);
});

start.addEventListener("click", () => void session.start());
stop.addEventListener("click", () => void interrupt());
end.addEventListener("click", () => session.end());
addEventListener("keydown", ({ key, isComposing, defaultPrevented }) => {
  if (key === "Escape" && !isComposing && !defaultPrevented && !stop.disabled && !stop.hidden) void interrupt();
});
addEventListener("pagehide", () => {
  session.leave();
  saveSpeech(conversation.keep());
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
  (error) => alerts.raise("state", noticeOf(Problem.fromPlayer(error), remedyFor(Problem.fromPlayer(error)))),
);
document.body.dataset.state = session.state;
void session.recover();
