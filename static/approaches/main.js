import { byId } from "../shared/dom.js";
import { watchPlayerCalls } from "../shared/network-calls.js";
import { loadPlayer } from "../shared/session/player-loader.js";
import { apiControl, backend, hybrid, sdkControl } from "./controls.js";
import { DemoPanel } from "./demo-panel.js";
import { DemoRunner } from "./demo-runner.js";
import { DemoSession } from "./demo-session.js";
import { watchFetch } from "./network-log.js";
import { secretsAtRest, secretsWithSession } from "./secrets-panel.js";

/** @type {{avatarId: string, tokenMode: "sealed" | "direct", player: "builtin" | "sdk", builtinPlayerUrl: string}} */
const config = JSON.parse(byId("config").textContent ?? "");

// In direct mode the page itself must ask Kaltura where the media is, and not by the broker's address.

const runner = new DemoRunner(
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
function demo(id, { approach, source, idle }) {
  const setup = { idle, tokenMode: config.tokenMode };
  const demo = new DemoSession(approach);
  const panel = new DemoPanel(byId(id), {
    run: () => runner.run(demo),
    speak: (text) => void demo.speak(text).then((done) => done && panel.settle()),
    stop: () => void demo.stop().then((done) => done && panel.settle()),
    end: () => void demo.end(),
  });
  panel.code(source);
  panel.holds(secretsAtRest(setup));
  panel.become("ready");
  demo.on("state", ({ state, problem }) => {
    panel.become(state, problem);
    if (state !== "live") panel.holds(secretsAtRest(setup));
  });
  demo.on("opened", ({ token }) => panel.holds(secretsWithSession(setup, token)));
  demo.on("called", (call) => panel.call(call));
  demo.on("trouble", (problem) => panel.trouble(problem));
  addEventListener("pagehide", () => demo.leave());
}

demo("sdk", {
  approach: sdkControl,
  source: String(sdkControl),
  idle: "Nothing. Where the KS stood is any word, and it is ignored.",
});
demo("api", {
  approach: apiControl,
  source: `${apiControl}\n\nconst backend = ${backend}`,
  idle: "Nothing.",
});
demo("hybrid", {
  approach: hybrid,
  source: `${hybrid}\n\n// backend: as with API control`,
  idle: "Nothing.",
});

for (const origin of document.querySelectorAll("[data-origin]")) origin.textContent = location.origin;
watchFetch(() => runner.current);
watchPlayerCalls((call) => runner.current?.called(call), "xmlhttprequest");
