import { watchPlayerCalls } from "../page/calls.js";
import { loadPlayer } from "../page/sdk.js";
import { byId } from "../page/stage.js";
import { Column } from "./column.js";
import { apiControl, backend, hybrid, sdkControl } from "./controls.js";
import { Exhibit } from "./exhibit.js";
import { Gallery } from "./gallery.js";
import { holdingsAtRest, holdingsWithSession } from "./holdings.js";
import { watchFetch } from "./traffic.js";

/** @type {{avatarId: string, tokenMode: "sealed" | "direct", player: "builtin" | "sdk", builtinPlayerUrl: string}} */
const config = JSON.parse(byId("config").textContent ?? "");

// In direct mode the page itself must ask Kaltura where the media is, and not by the broker's address.

const gallery = new Gallery(
  loadPlayer(config).then(({ KalturaAvatarSession, name, replaced }) => {
    byId("note").hidden = !replaced;
    byId("player").textContent = name;
    return { KalturaAvatarSession, avatarId: config.avatarId };
  }),
);

/**
 * Brings one approach to life in its part of the page.
 *
 * @param {string} id
 * @param {{approach: import("./controls.js").Approach, source: string, idle: string}} about
 *   `source` is shown as its code, `idle` as what the page holds while nothing runs.
 */
function exhibit(id, { approach, source, idle }) {
  const circumstances = { idle, tokenMode: config.tokenMode };
  const exhibit = new Exhibit(approach);
  const column = new Column(byId(id), {
    run: () => gallery.run(exhibit),
    speak: (text) => void exhibit.speak(text).then((done) => done && column.settle()),
    stop: () => void exhibit.stop().then((done) => done && column.settle()),
    end: () => void exhibit.end(),
  });
  column.code(source);
  column.holds(holdingsAtRest(circumstances));
  column.become("ready");
  exhibit.on("state", ({ state, problem }) => {
    column.become(state, problem);
    if (state !== "live") column.holds(holdingsAtRest(circumstances));
  });
  exhibit.on("opened", ({ token }) => column.holds(holdingsWithSession(circumstances, token)));
  exhibit.on("called", (call) => column.call(call));
  exhibit.on("trouble", (problem) => column.trouble(problem));
  addEventListener("pagehide", () => exhibit.leave());
}

exhibit("sdk", {
  approach: sdkControl,
  source: String(sdkControl),
  idle: "Nothing. Where the KS stood is any word, and it is ignored.",
});
exhibit("api", {
  approach: apiControl,
  source: `${apiControl}\n\nconst backend = ${backend}`,
  idle: "Nothing.",
});
exhibit("hybrid", {
  approach: hybrid,
  source: `${hybrid}\n\n// backend: as with API control`,
  idle: "Nothing.",
});

for (const origin of document.querySelectorAll("[data-origin]")) origin.textContent = location.origin;
watchFetch(() => gallery.current);
watchPlayerCalls((call) => gallery.current?.called(call), "xmlhttprequest");
