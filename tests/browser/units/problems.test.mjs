import assert from "node:assert/strict";
import test from "node:test";

import { causeOf } from "../../../static/shared/broker/end-reasons.js";
import { nextStepOf } from "../../../static/shared/broker/next-steps.js";
import { Problem } from "../../../static/shared/broker/problems.js";

const problemJson = (name, headers = {}) =>
  new Response(JSON.stringify({ type: `/problems/${name}`, title: "T", detail: "D.", requestId: "r" }), {
    status: 429,
    headers,
  });

test("a problem is read whole, and its wait is said in words", async () => {
  const problem = await Problem.fromResponse(problemJson("at-capacity", { "Retry-After": "20" }));
  assert.deepEqual([problem.name, problem.title, problem.detail, problem.requestId], ["at-capacity", "T", "D.", "r"]);
  assert.equal(nextStepOf(problem), "Press Start again in 20 seconds.");
});

test("a visitor who has to sign in elsewhere is not told to press Start", async () => {
  const body = JSON.stringify({ type: "/problems/unauthenticated", detail: "Sign in there.", signIn: true });
  const problem = await Problem.fromResponse(new Response(body, { status: 401 }));
  assert.deepEqual([problem.detail, nextStepOf(problem)], ["Sign in there.", ""]);
});

for (const [seconds, words] of [
  ["1", "in 1 second"],
  ["89", "in 89 seconds"],
  ["90", "in 2 minutes"],
  ["3600", "in 60 minutes"],
  ["5400", "in 2 hours"],
  ["36000", "in 10 hours"],
  ["", "in a moment"],
  ["Wed, 21 Oct 2026 07:28:00 GMT", "in a moment"],
]) {
  test(`Retry-After "${seconds}" reads ${words}`, async () => {
    const problem = await Problem.fromResponse(problemJson("rate-limited", { "Retry-After": seconds }));
    assert.equal(nextStepOf(problem), `Try again ${words}.`);
  });
}

const ended = (body) => Problem.fromResponse(new Response(JSON.stringify(body), { status: 410 }));

test("why a session ended is told by its reason, and what an unknown one says is kept", async () => {
  const about = { type: "/problems/session-ended", title: "T", detail: "D." };
  for (const [endReason, words] of [
    ["visitor", "It was ended from elsewhere, perhaps from another tab."],
    ["left", "Its page was left or closed."],
    ["idle", "It was idle for too long."],
    ["expired", "Its time was up."],
    ["budget", "Today's minutes are used up."],
    ["operator", "It was ended by whoever runs this page."],
    ["shutdown", "The server was stopped."],
    ["gone", "Kaltura ended it."],
    ["failed", "Kaltura could not set it up."],
    ["of tomorrow", "D."],
    [undefined, "D."],
  ])
    assert.equal(causeOf(await ended({ ...about, endReason })), words);
});

test("whoever has used up today's minutes is not sent to Start", async () => {
  const problem = await ended({ type: "/problems/session-ended", endReason: "budget" });
  assert.equal(nextStepOf(problem), "There are new ones tomorrow.");
});

for (const [name, retryAfter, passing] of [
  ["unreachable", undefined, true],
  ["no-answer", undefined, true],
  ["unknown", undefined, true],
  ["kaltura-unavailable", 5, true],
  ["kaltura-error", undefined, false],
  ["ticket-not-found", undefined, false],
  ["unauthenticated", undefined, false],
])
  test(`${name} ${passing ? "may pass by itself" : "stays as it is"}`, () => {
    assert.equal(new Problem(name, { retryAfter }).passing, passing);
  });

for (const body of ["", "<h1>Bad Gateway</h1>", "null", "[]", '"text"', '{"type": 7}']) {
  test(`an answer of ${JSON.stringify(body)} still has a title, words and a next step`, async () => {
    const problem = await Problem.fromResponse(new Response(body, { status: 502 }));
    assert.ok(problem.title && nextStepOf(problem));
    assert.match(problem.detail, /502/);
  });
}

test("no answer and a late answer have words of their own", () => {
  assert.equal(Problem.fromFailure(new TypeError("Failed to fetch")).title, "No connection");
  assert.equal(Problem.fromFailure(new DOMException("", "TimeoutError")).title, "No answer");
});

test("what a player reports becomes words, whatever it is", () => {
  assert.equal(Problem.fromPlayer({ code: "viewer-taken", message: "m" }).detail, "m");
  assert.equal(Problem.fromPlayer({ code: "network" }).title, "No connection");
  for (const odd of [undefined, null, "text", 7, {}]) assert.ok(Problem.fromPlayer(odd).title);
});
