import assert from "node:assert/strict";
import test from "node:test";

import { describeClaims } from "../../../static/shared/pages/jwt.js";

test("a token's claims are told with readable times, and what is no token is told to be none", () => {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = `${part({ alg: "HS256" })}.${part({ sub: "visitör", exp: 1_800_000_000 })}.c2ln`;
  assert.equal(describeClaims(token), "sub visitör\nexp 2027-01-15T08:00:00.000Z");
  for (const odd of ["", "a.b.c", "a.bnVsbA.c"]) assert.equal(describeClaims(odd), "not readable");
});
