import assert from "node:assert/strict";
import test from "node:test";

import { secretsAtRest, secretsWithSession } from "../../../static/approaches/secrets-panel.js";

test("what is held names the mode and the time, and never the token", () => {
  const payload = Buffer.from(JSON.stringify({ exp: 1_800_000_000 })).toString("base64url");
  const token = `header.${payload}.signature`;
  const said = (tokenMode, held) => Object.values(secretsWithSession({ idle: "", tokenMode }, held)).join(" ");
  assert.match(said("sealed", token), /A token of this broker: this one session, until Friday \d/);
  assert.match(said("direct", token), /Kaltura's own token, until Friday \d/);
  assert.match(said("sealed", "no token"), /until nobody says when/);
  for (const part of token.split(".")) assert.ok(!said("direct", token).includes(part));
  assert.equal(secretsAtRest({ idle: "Nothing.", tokenMode: "sealed" }).page, "Nothing.");
});
