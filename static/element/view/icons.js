import { createSvg } from "../../shared/dom.js";

/** The paths of each icon; a class names a part that is shown at times only. @type {Record<string, [string, string?][]>} */
const PATHS = {
  mute: [
    ["M4 9v6h4l5 4V5L8 9z"],
    ["M16 8.5a5 5 0 0 1 0 7M18.5 6a8.5 8.5 0 0 1 0 12", "waves"],
    ["M16.5 9.5l5 5M21.5 9.5l-5 5", "crossed"],
  ],
  captions: [["M3 5h18v14H3zM6 15h7M15 15h3M6 11h3M11 11h7"]],
  fullScreen: [["M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5"]],
};

/** @param {keyof typeof PATHS} name */
export function icon(name) {
  const paths = (PATHS[name] ?? []).map(([d, part]) => createSvg("path", { d, class: part }));
  return createSvg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, ...paths);
}

/** Somebody who is not there yet, before a quiet background. */
export function figure() {
  const rings = [
    ["84", ".16"],
    ["124", ".12"],
    ["172", ".08"],
    ["228", ".05"],
  ].map(([r, opacity]) => createSvg("circle", { cx: "200", cy: "168", r, "stroke-opacity": opacity }));
  const bars = ["M172 163v10", "M186 153v30", "M200 143v50", "M214 153v30", "M228 163v10"].map((d) => createSvg("path", { d }));
  return createSvg(
    "svg",
    { viewBox: "0 0 400 400", preserveAspectRatio: "xMidYMax meet", "aria-hidden": "true" },
    createSvg("defs", {}, gradient("head"), gradient("body")),
    createSvg("g", { class: "rings" }, ...rings),
    createSvg("path", { fill: "url(#body-shade)", class: "body", d: "M56 400c6-82 64-128 144-128s138 46 144 128z" }),
    createSvg("circle", { fill: "url(#head-shade)", class: "head", cx: "200", cy: "168", r: "64" }),
    createSvg("g", { class: "voice" }, ...bars),
  );
}

/** @param {"head" | "body"} part */
function gradient(part) {
  return createSvg(
    "linearGradient",
    { id: `${part}-shade`, x1: "0", y1: "0", x2: "0", y2: "1" },
    createSvg("stop", { class: `${part}-top`, offset: "0" }),
    createSvg("stop", { class: `${part}-bottom`, offset: "1" }),
  );
}
