import { Api } from "./api.js";
import { watchPlayerCalls } from "./calls.js";
import { Captions } from "./captions.js";
import { Clock } from "./clock.js";
import { Composer } from "./composer.js";
import { Ear } from "./ear.js";
import { Inspector } from "./inspector.js";
import { Microphone, canRecord } from "./microphone.js";
import { minutes } from "./minutes.js";
import { Notice } from "./notice.js";
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
import { WaitingPanel } from "./waiting.js";

/** A voice that is heard so long after Stop was not stopped. */
const UNEXPLAINED_MS = 1200;

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
const status = new StatusLine();
const stage = new Stage();
const transcript = new Transcript();
const tempo = new Tempo();
const captions = new Captions(byId("caption"), byId("spoken"), tempo);
const speech = new Speech(changed, captions, tempo);
const ear = new Ear((voice) => captions.heard(voice));
/** @type {Map<string, import("./speech.js").Line>} Those that the broker may still tell of. */
const lines = new Map();
const player = loadPlayer(config);
const session = new Session(new Api((call) => inspector.call(call)), player, stage);
const composer = new Composer(config.maxTextLength, (text) => void speak(text));
const recorder =
  config.controls.includes("speak-audio") && canRecord()
    ? new Recorder(new Microphone(), config.maxAudioSeconds, speakAudio)
    : null;
const waiting = new WaitingPanel(() => session.end());
const resuming = new ResumePanel({
  onResume: () => void session.start(),
  onEnd: () => session.end(),
});
const clock = new Clock(byId("clock"), {
  onLastMinute: (seconds) =>
    notice.tell(
      seconds > FULL_MINUTE ? "One minute left" : "Less than a minute left",
      "The session ends by itself when its time is up.",
    ),
  onZero: () => void session.check(),
});

/**
 * What a click can do about a problem that keeps a session from being opened.
 *
 * @param {Problem} problem
 * @returns {import("./notice.js").Remedy | undefined}
 */
function remedyFor({ name, retryAfter }) {
  if (name === "too-many-sessions")
    return { label: "End it and start here", run: () => void session.startInstead() };
  if (retryAfter !== undefined && retryAfter < PATIENCE_SECONDS)
    return { label: "Try again", seconds: retryAfter, run: () => void session.start() };
  return undefined;
}

/**
 * Whether an element that has the focus may keep it.
 *
 * @param {Element | null} element
 */
function isUsable(element) {
  return element !== null && element.matches(":enabled") && element.getClientRects().length > 0;
}

/** @param {string} text */
async function speak(text) {
  const accepted = await say(transcript.add(text), () => session.speak(text));
  if (!accepted) composer.restore(text);
}

/** @param {import("./microphone.js").Take} take */
async function speakAudio({ blob, seconds }) {
  const line = transcript.add(`Recording, ${minutes(seconds)}`, seconds);
  return say(line, () => session.speakAudio(blob));
}

/**
 * @param {import("./speech.js").Line} line
 * @param {() => Promise<{turnId: string, state?: string}>} call
 * @returns {Promise<boolean>} Whether it was accepted.
 */
async function say(line, call) {
  const began = performance.now();
  try {
    const { turnId, state } = await call();
    line.ms = Math.round(performance.now() - began);
    line.turnId = turnId;
    lines.set(turnId, line);
    speech.accepted(line, state === "queued" ? "queued" : "accepted");
    // The session may have ended while the answer was on its way.
    if (session.state === "live") quiet();
    else speech.stopped();
    return true;
  } catch (error) {
    const problem = Problem.fromFailure(error);
    line.fate = "failed";
    line.reason = problem.title;
    transcript.update(line);
    tell(problem);
    return false;
  }
}

/**
 * Shows what has become of a line, and tells the broker what is heard of it.
 *
 * @param {import("./speech.js").Line} line
 */
function changed(line) {
  transcript.update(line);
  if (line.fate === "speaking") void session.heard(line.turnId, "started");
  if (line.fate === "said") void session.heard(line.turnId, "ended");
}

/** @param {import("./following.js").Utterance} utterance */
function told({ turnId, state, reason, fallback }) {
  if (state === "speaking") byId("voice").hidden = !fallback;
  const line = lines.get(turnId);
  if (!line || state === "queued" || state === "speaking") return;
  lines.delete(turnId);
  if (state === "done") return;
  if (reason) line.reason = new Problem(reason).title;
  speech.dropped(line, state === "failed" ? "failed" : "stopped");
}

async function interrupt() {
  const last = [...lines.keys()].pop();
  try {
    await session.interrupt();
    speech.stopped();
    quiet();
    setTimeout(() => void (speech.isUnexplained && session.heard(last, "started")), UNEXPLAINED_MS);
  } catch (error) {
    tell(Problem.fromFailure(error));
  }
}

/**
 * Tells of a problem that leaves the session as it is.
 *
 * @param {Problem} problem
 */
function tell(problem) {
  if (session.state !== "live") return;
  notice.show(problem);
  status.pass(problem);
}

function quiet() {
  notice.hide();
  status.settle();
}

session.on("state", ({ state, problem }) => {
  stage.become(state);
  status.become(state, problem);
  waiting.hide();
  document.body.dataset.state = state;
  start.disabled = state === "connecting" || state === "live";
  end.disabled = !start.disabled;
  stop.disabled = state !== "live";
  composer.enable(state === "live");
  recorder?.enable(state === "live");
  if (state === "live") {
    composer.focus();
    transcript.begin();
    ear.listen(stage.source);
    clock.remind();
  } else if (!isUsable(document.activeElement)) start.focus({ preventScroll: true });
  if (problem) notice.show(problem, remedyFor(problem));
  else notice.hide();
  if (state !== "live") {
    ear.close();
    stage.speak(false);
    speech.stopped();
    lines.clear();
  }
  if (state === "ended" || state === "problem") {
    clock.stop();
    waiting.calm();
    inspector.closed();
  }
});
session.on("waiting", (wait) => waiting.show(wait));
session.offer.on("made", (opened) => resuming.show(opened));
session.offer.on("withdrawn", () => resuming.hide());
session.on("opened", (opened) => {
  clock.start(opened.secondsLeft);
  inspector.opened(opened);
});
// The broker may be a moment behind its own clock; it is asked again rather than at once.
session.on("timeLeft", (seconds) => clock.set(Math.max(seconds, 2)));
session.on("utterance", told);
session.on("trouble", (problem) => (problem ? tell(problem) : quiet()));
session.on("speaking", (speaking) => {
  stage.speak(speaking);
  speech.heard(speaking);
});

start.addEventListener("click", () => void session.start());
stop.addEventListener("click", () => void interrupt());
end.addEventListener("click", () => session.end());
addEventListener("pagehide", () => session.leave());
addEventListener("pageshow", ({ persisted }) => void (persisted && session.comeBack()));
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") void session.check();
});

watchPlayerCalls((call) => inspector.call(call));
player.then(
  ({ name, replaced }) => {
    inspector.player(name);
    byId("note").hidden = !replaced;
  },
  (error) => notice.show(Problem.fromPlayer(error)),
);
void session.recover();
