import { formatDuration } from "../../shared/duration.js";

/**
 * The transcript as files to keep. Times count from when the avatar was first there.
 *
 * @typedef {import("../speech/speech-tracker.js").Line} Line
 * @typedef {import("../captions/captions.js").Cue} Cue
 */

const VOICE = "The voice and the face are AI-generated.";

/**
 * What was asked to be said, for people to read.
 *
 * @param {Line[]} lines Oldest first.
 * @param {number} origin In milliseconds of `performance.now`.
 */
export function asText(lines, origin) {
  const rows = lines.map((line) => {
    const begun = line.cues?.[0];
    const time = begun ? formatDuration(Math.max(0, begun.from - origin) / 1000) : "-:--";
    const state = ["said", "accepted", "sending"].includes(line.state) ? "" : ` (${line.state})`;
    return `${time}  ${line.text}${state}`;
  });
  return `${VOICE}\n\n${rows.join("\n")}\n`;
}

/**
 * What was heard, and when: subtitles for a video of the conversation (WebVTT).
 *
 * @param {Line[]} lines Oldest first.
 * @param {number} origin In milliseconds of `performance.now`.
 */
export function asVtt(lines, origin) {
  const cues = lines.flatMap(({ cues = [] }) => cues);
  const blocks = cues.map((cue, index) => {
    const next = cues[index + 1]?.from ?? Infinity;
    const to = Math.min(cue.to ?? cue.from + 3000, next);
    return `${stamp(cue.from - origin)} --> ${stamp(to - origin)}\n${escaped(cue.text)}`;
  });
  return `${["WEBVTT", `NOTE ${VOICE}`, ...blocks].join("\n\n")}\n`;
}

/** @param {number} ms */
function stamp(ms) {
  const whole = Math.max(0, Math.round(ms));
  const [hours, rest] = [Math.floor(whole / 3_600_000), whole % 3_600_000];
  const two = (/** @type {number} */ number) => String(Math.floor(number)).padStart(2, "0");
  return `${two(hours)}:${two(rest / 60_000)}:${two((rest % 60_000) / 1000)}.${String(rest % 1000).padStart(3, "0")}`;
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/\s+/g, " ").replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
