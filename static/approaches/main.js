import { createClient } from "../client/client.js";
import { Problem } from "../shared/broker/problems.js";
import { byId } from "../shared/dom.js";
import { watchFetch, watchXhr } from "../shared/pages/network-calls.js";
import { randomId } from "../shared/random-id.js";
import { PLAYER_NAMES, loadPlayer } from "../shared/session/player-loader.js";
import { apiControl, hybrid, sdkControl } from "./controls.js";
import { DemoPanel } from "./demo-panel.js";
import { DemoRunner } from "./demo-runner.js";
import { DemoSession } from "./demo-session.js";
import { secretsAtRest, secretsWithSession } from "./secrets-panel.js";

/** @type {{avatarId: string, tokenMode: "sealed" | "direct", player: "builtin" | "sdk", builtinPlayerUrl: string}} */
const config = JSON.parse(byId("config").textContent ?? "");

const runner = new DemoRunner();
watchFetch(() => runner.current);
watchXhr((call) => runner.current?.called(call));
const tools = loadPlayer(config, () => import("@unisphere/models-sdk-js")).then(({ KalturaAvatarSession, kind }) => {
  byId("note").hidden = kind === config.player;
  byId("player").textContent = PLAYER_NAMES[kind];
  return { KalturaAvatarSession, avatarId: config.avatarId, client: createClient() };
});
tools.catch(() => {}); // The demo that is run shows the failure.

/**
 * Brings one approach to life in its part of the page.
 *
 * @param {string} id
 * @param {{approach: import("./controls.js").Approach, source: string, idle: string}} about
 *   `source` is shown as its code, `idle` as what the page holds while nothing runs.
 */
function demo(id, { approach, source, idle }) {
  const setup = { idle, tokenMode: config.tokenMode };
  const demo = new DemoSession(approach, {
    tools,
    turn: (demo) => runner.turn(demo),
    onCall: (call) => panel.call(call),
  });
  const panel = new DemoPanel(byId(id), {
    run: () => void demo.start(),
    speak: (text) => void tried(demo.speak(text, randomId())),
    stop: () => void tried(demo.interrupt()),
    end: () => demo.end(),
  });
  runner.add(demo);
  panel.code(source);
  panel.holds(secretsAtRest(setup));
  panel.become("ready");
  demo.on("state", ({ state, problem }) => {
    panel.become(state, problem);
    if (state !== "live") panel.holds(secretsAtRest(setup));
  });
  demo.on("waiting", ({ place }) => panel.wait(place));
  demo.on("opened", ({ token }) => token && panel.holds(secretsWithSession(setup, token)));
  demo.on("trouble", ({ problem }) => (problem ? panel.trouble(problem) : panel.settle()));
  addEventListener("pagehide", () => demo.leave());

  /** @param {Promise<unknown>} call */
  async function tried(call) {
    try {
      await call;
      panel.settle();
    } catch (error) {
      if (demo.state === "live") panel.trouble(Problem.fromFailure(error));
    }
  }
}

demo("sdk", {
  approach: sdkControl,
  source: String(sdkControl),
  idle: "Nothing. Where the KS stood is any word, and it is ignored.",
});
demo("api", {
  approach: apiControl,
  source: `${apiControl}\n\n// client: createClient() of @avatar-broker/client`,
  idle: "Nothing.",
});
demo("hybrid", {
  approach: hybrid,
  source: `${hybrid}\n\n// client: as with API control`,
  idle: "Nothing.",
});

for (const origin of document.querySelectorAll("[data-origin]")) origin.textContent = location.origin;
