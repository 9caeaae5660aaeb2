import assert from "node:assert/strict";
import test from "node:test";

import { expandTurnUrl, iceServers, withoutTransport } from "../../../static/player/ice-servers.js";

const FOUR = [
  "turn:turn.example:80?transport=udp",
  "turn:turn.example:443?transport=udp",
  "turn:turn.example:80?transport=tcp",
  "turns:turn.example:443?transport=tcp",
];

for (const [given, expected] of [
  ["turn.example", FOUR],
  ["turn:turn.example", FOUR],
  ["turn:turn.example?transport=udp", FOUR],
  [" turn.example ", FOUR],
  ["turn:turn.example:3478", ["turn:turn.example:3478"]],
  ["turn.example:3478", ["turn:turn.example:3478"]],
  ["turns:turn.example:443?transport=tcp", ["turns:turn.example:443?transport=tcp"]],
  ["stun:stun.example", ["stun:stun.example"]],
  ["turn:[2001:db8::1]:3478", ["turn:[2001:db8::1]:3478"]],
  ["", []],
]) {
  test(`"${given}" becomes ${expected.length} ICE URLs`, () => {
    assert.deepEqual(expandTurnUrl(given), expected);
  });
}

test("a list of addresses is expanded one by one, with the credentials beside it", () => {
  const servers = iceServers({ url: ["turn.example", "turn:b.example:9"], username: "u", credential: "c" });
  assert.deepEqual(servers, [{ urls: [...FOUR, "turn:b.example:9"], username: "u", credential: "c" }]);
});

test("no relay is no server", () => {
  assert.deepEqual(iceServers(null), []);
  assert.deepEqual(iceServers({ url: [] }), []);
});

test("for WebKit the query is left out and what is then the same is sent once", () => {
  assert.deepEqual(withoutTransport([{ urls: FOUR, username: "u" }]), [
    { urls: ["turn:turn.example:80", "turn:turn.example:443", "turns:turn.example:443"], username: "u" },
  ]);
});
