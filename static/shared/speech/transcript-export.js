import { formatDuration } from "../duration.js";

/**
 * The transcript as files to keep. Times count from when the avatar was first there.
 *
 * @typedef {import("./speech-tracker.js").Line} Line
 * @typedef {import("./captions/captions.js").Cue} Cue
 */

/** @typedef {{voice: string, state: (line: Line) => string}} ExportWords `voice`: that nobody real is heard. */

/**
 * The transcript as text, for people to read.
 *
 * @param {Line[]} lines Oldest first.
 * @param {number} origin In milliseconds of `performance.now`.
 * @param {ExportWords} words
 */
export function asText(lines, origin, words) {
  const rows = lines.map((line) => {
    const begun = line.cues?.[0];
    const time = begun ? formatDuration(Math.max(0, begun.from - origin) / 1000) : "-:--";
    const state = ["said", "accepted", "sending"].includes(line.state) ? "" : ` (${words.state(line)})`;
    return `${time}  ${line.text}${state}`;
  });
  return `${words.voice}\n\n${rows.join("\n")}\n`;
}

/**
 * The words that were heard, with their times: subtitles for a video of the conversation (WebVTT).
 *
 * @param {Line[]} lines Oldest first.
 * @param {number} origin In milliseconds of `performance.now`.
 * @param {ExportWords} words
 */
export function asVtt(lines, origin, words) {
  const cues = lines.flatMap(({ cues = [] }) => cues);
  const blocks = cues.map((cue, index) => {
    const next = cues[index + 1]?.from ?? Infinity;
    const to = Math.min(cue.to ?? cue.from + 3000, next);
    return `${stamp(cue.from - origin)} --> ${stamp(to - origin)}\n${escaped(cue.text)}`;
  });
  return `${["WEBVTT", `NOTE ${words.voice}`, ...blocks].join("\n\n")}\n`;
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
