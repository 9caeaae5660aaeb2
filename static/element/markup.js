import { create } from "../shared/dom.js";
import { figure, icon } from "./view/icons.js";

/**
 * @typedef {import("./words/words.js").Words} Words
 * @typedef {import("./view/view.js").ViewElements & {poster: HTMLImageElement, startSlot: HTMLSlotElement, rail: HTMLElement, introduction: HTMLSlotElement, tools: HTMLSlotElement}} Elements
 */

/**
 * Makes what `<kaltura-avatar>` shows, labelled in words that may still have to be loaded.
 *
 * @param {Words} words
 * @returns {{elements: Elements, content: HTMLElement}}
 */
export function markup(words) {
  const parts = { ...stageParts(words), ...transportParts(words), ...panelParts(words), ...writingParts(words) };
  const { theatre, transport, panels, ...rest } = parts;
  theatre.append(transport);
  const introduction = create("slot", { name: "introduction" });
  const tools = create("slot", { name: "tools" });
  const rail = create("div", { class: "rail", part: "rail" }, panels, introduction, rest.composer, tools, rest.transcript);
  const content = create("div", { class: "layout", part: "layout" }, theatre, rail);
  return { elements: { ...rest, rail, introduction, tools }, content };
}

/** @param {Words} words */
function stageParts(words) {
  const container = create("div", { class: "media" }, create("slot", { name: "media" }));
  const poster = create("img", { class: "poster", alt: "", hidden: true });
  const scene = create("div", { class: "scene" }, create("slot", { name: "poster" }, figure(), poster));
  const chip = words.label(create("span", { part: "disclosure" }), "disclosure");
  const mute = iconButton(words, "mute");
  const captionsButton = iconButton(words, "captions");
  const captionSize = create("button", { type: "button", part: "button" }, "Aa");
  const fullScreen = iconButton(words, "fullScreen");
  const volume = words.label(
    create("input", { type: "range", min: "0", max: "100", step: "5" }),
    "volume",
    "aria-label",
  );
  const viewing = words.label(
    create("div", { class: "viewing", role: "group", hidden: true }, mute, volume, captionsButton, captionSize, fullScreen),
    "viewing",
    "aria-label",
  );
  const notice = create("div", { class: "notice", part: "notice", role: "alert", hidden: true });
  const otherVoice = words.label(create("p", { class: "note", "aria-live": "polite", hidden: true }), "otherVoice");
  const caption = create("p", { class: "caption", part: "caption", "aria-hidden": "true", hidden: true });
  const spoken = words.label(create("div", { class: "unseen", role: "log" }), "spoken", "aria-label");
  const sound = words.label(
    create("button", { class: "sound primary", part: "button", type: "button", hidden: true }),
    "soundOn",
  );
  const stage = create(
    "div",
    { class: "stage", part: "stage", "data-state": "ready" },
    ...[container, scene],
    create("p", { class: "chip" }, create("slot", { name: "disclosure" }, chip)),
    viewing,
    create("div", { class: "messages" }, notice, otherVoice),
    ...[caption, spoken, sound],
  );
  const theatre = words.label(create("section", { class: "theatre" }, stage), "avatar", "aria-label");
  const looks = { viewing, mute, volume, captionsButton, captionSize, fullScreen };
  return { theatre, stage, container, poster, ...looks, notice, otherVoice, caption, spoken, sound };
}

/** @param {Words} words */
function transportParts(words) {
  const status = create("span", { role: "status", part: "status" });
  const clock = create(
    "p",
    { class: "clock", part: "clock", hidden: true },
    words.label(create("span", { class: "unseen" }), "timeLeft"),
    " ",
    create("time"),
  );
  const start = button(words, "start", { class: "primary" });
  const stop = button(words, "stop", { disabled: true });
  const end = button(words, "end", { disabled: true });
  const startSlot = create("slot", { name: "start" }, start);
  const transport = create(
    "div",
    { class: "transport" },
    create("p", { class: "state" }, create("span", { class: "lamp", "aria-hidden": "true" }), status),
    clock,
    create("div", { class: "buttons" }, startSlot, stop, end, create("slot", { name: "actions" })),
    create("slot", { name: "terms" }),
  );
  return { transport, status, clock, start, stop, end, startSlot };
}

/** @param {Words} words */
function panelParts(words) {
  const place = create("h2", { id: "place" });
  const estimate = create("span", { "aria-live": "off" });
  const leaveLine = button(words, "leaveLine");
  const patience = words.label(create("span", { class: "patience" }), "patience");
  const waiting = create(
    "section",
    { class: "panel", part: "waiting", "aria-labelledby": "place", hidden: true },
    place,
    create("p", {}, estimate, " ", create("slot", { name: "waiting" }, patience)),
    create("div", { class: "choices" }, leaveLine),
  );
  const offerClock = create("p", { "aria-live": "off" });
  const time = create("time");
  words.keep(offerClock, () => {
    const [before = "", after = ""] = words.of("stillHereWords", { time: "\n" }).split("\n");
    offerClock.replaceChildren(before, time, after);
  });
  const resume = button(words, "resume", { class: "primary" });
  const decline = button(words, "decline");
  const offer = create(
    "section",
    { class: "panel", "aria-labelledby": "offer-title", hidden: true },
    words.label(create("h2", { id: "offer-title" }), "stillHere"),
    offerClock,
    create("div", { class: "choices" }, resume, decline),
  );
  const panels = create("div", { class: "panels", "aria-live": "polite" }, waiting, offer);
  return { panels, waiting, place, estimate, leaveLine, offer, offerClock, resume, decline };
}

/** @param {Words} words */
function writingParts(words) {
  const text = create("textarea", { id: "text", rows: "2", dir: "auto", "aria-describedby": "count hint" });
  const count = create("span", { id: "count", class: "count" });
  const keys = [create("kbd", {}, "Ctrl"), " / ", create("kbd", {}, "⌘"), " + ", create("kbd", {}, "Enter")];
  const pending = create("span", { class: "hint", "aria-live": "polite" });
  const example = button(words, "example", { class: "quiet" });
  const speak = button(words, "speak", { type: "submit", disabled: true });
  const composer = create(
    "form",
    { class: "composer", part: "composer" },
    create("div", { class: "composer-head" }, words.label(create("label", { for: "text" }), "text"), count),
    text,
    create(
      "div",
      { class: "composer-foot" },
      create("div", { class: "help" }, create("span", { id: "hint", class: "hint", dir: "ltr" }, ...keys), pending, example),
      speak,
    ),
  );
  const saveText = words.label(button(words, "plainText", { class: "quiet" }), "saveText", "aria-label");
  const saveVtt = words.label(create("button", { type: "button", class: "quiet" }, "WebVTT"), "saveVtt", "aria-label");
  const lines = create("ol", { tabindex: "0", "aria-labelledby": "transcript-title" });
  const transcript = create(
    "section",
    { class: "transcript", part: "transcript", "aria-labelledby": "transcript-title", hidden: true },
    create(
      "div",
      { class: "transcript-head" },
      words.label(create("h2", { id: "transcript-title" }), "transcript"),
      create("span", {}, words.label(create("span"), "saveAs"), " ", saveText, " ", saveVtt),
    ),
    lines,
  );
  return { composer, text, count, pending, example, speak, transcript, lines, saveText, saveVtt };
}

/**
 * @param {Words} words
 * @param {string} key
 * @param {import("../shared/dom.js").Attributes} [attributes]
 */
function button(words, key, attributes = {}) {
  return words.label(create("button", { type: "button", part: "button", ...attributes }), key);
}

/**
 * @param {Words} words
 * @param {"mute" | "captions" | "fullScreen"} name
 */
function iconButton(words, name) {
  return words.label(create("button", { type: "button", part: "button" }, icon(name)), name, "title");
}
