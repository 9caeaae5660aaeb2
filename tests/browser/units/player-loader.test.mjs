import assert from "node:assert/strict";
import test from "node:test";

import { loadPlayer } from "../../../static/shared/session/player-loader.js";

globalThis.RTCPeerConnection = class {};
const config = {
  player: "sdk",
  builtinPlayerUrl: "data:text/javascript,export class KalturaAvatarSession {}",
};

test("the SDK shows the avatar where it comes", async () => {
  class KalturaAvatarSession {}
  const player = await loadPlayer(config, async () => ({ KalturaAvatarSession }));
  assert.deepEqual(player, { KalturaAvatarSession, kind: "sdk" });
});

test("an SDK that does not come in time is not waited for", { timeout: 10_000 }, async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const loading = loadPlayer(config, () => new Promise(() => {}));
  t.mock.timers.tick(8000);
  assert.equal((await loading).kind, "builtin");
});
