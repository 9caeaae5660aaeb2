/**
 * The example with the broker's protections, each by the library that is common for it: helmet,
 * express-rate-limit by visitor and by address, jose, pino, SQLite with a row before the answer
 * and its outcome after, and one call of a session at a time.
 */
import { randomBytes, randomUUID } from "node:crypto";
import express from "express";
import { rateLimit } from "express-rate-limit";
import helmet from "helmet";
import { SignJWT, jwtVerify } from "jose";
import { pino } from "pino";
import { createSession, kaltura } from "./kaltura.mjs";
import { AuditLog } from "./audit-log.mjs";

const MAX_TEXT_LENGTH = 1000;
const RATE = { windowMs: 60_000, limit: 1_000_000, standardHeaders: "draft-8", legacyHeaders: false };

const log = pino(pino.destination({ dest: 2, sync: false }));
const audit = new AuditLog("protected.db");
const key = randomBytes(32);
const sessions = new Map();

const app = express();
app.disable("x-powered-by");
app.use(helmet());
app.use(logged);
app.use(express.json({ limit: "28kb" }));

app.get("/healthz", (_request, response) => response.json({ success: true }));

app.post("/api/create-avatar-session", async (_request, response) => {
  const { sessionId, token } = await createSession();
  sessions.set(sessionId, { token, visitor: randomUUID(), lastCall: Promise.resolve() });
  response.json({ sessionId, token: await signed(sessionId) });
});

const byAddress = rateLimit(RATE);
const byVisitor = rateLimit({ ...RATE, keyGenerator: (request) => request.session.visitor });
app.post("/api/avatar-sessions/:sessionId/speak", authorized, byAddress, byVisitor, speak);
app.post("/api/avatar-sessions/:sessionId/keep-alive", authorized, byVisitor, keepAlive);

app.listen(Number(process.argv[2]), "127.0.0.1");

function logged(request, response, next) {
  const started = performance.now();
  request.id = request.get("X-Request-ID") ?? randomUUID();
  response.set("X-Request-ID", request.id);
  response.on("finish", () => {
    const durationMs = performance.now() - started;
    const { method, path } = request;
    const { statusCode: status } = response;
    log.info({ requestId: request.id, method, path, status, durationMs }, "request");
  });
  next();
}

function signed(sessionId) {
  const token = new SignJWT({ sid: sessionId }).setProtectedHeader({ alg: "HS256" });
  return token.setIssuedAt().setExpirationTime("1h").sign(key);
}

async function authorized(request, response, next) {
  try {
    const token = request.get("Authorization")?.replace(/^Bearer /, "") ?? "";
    const { payload } = await jwtVerify(token, key, { algorithms: ["HS256"] });
    request.session = payload.sid === request.params.sessionId && sessions.get(payload.sid);
  } catch {
    response.status(401).json({ title: "Unauthenticated" });
    return;
  }
  if (request.session) next();
  else response.status(404).json({ title: "Session not found" });
}

async function speak(request, response) {
  const { text, turnId, isFinal = true } = request.body ?? {};
  if (typeof text !== "string" || !text.trim() || text.length > MAX_TEXT_LENGTH) {
    response.status(422).json({ title: "Invalid request" });
    return;
  }
  await passOn("say-text", { text, turnId, isFinal }, request, response);
}

async function keepAlive(request, response) {
  await passOn("keep-alive", {}, request, response);
}

async function passOn(operation, body, request, response) {
  const { session, id: requestId } = request;
  const { sessionId } = request.params;
  const { text, turnId } = body;
  const { visitor, token } = session;
  const row = audit.begin({ operation, requestId, sessionId, visitor, text, turnId });
  const calling = session.lastCall.then(() => called(operation, requestId, sessionId, token, body));
  session.lastCall = calling.catch(() => {});
  const started = performance.now();
  try {
    const [answer] = await Promise.all([calling, row.written]);
    audit.end(row, "ok", performance.now() - started);
    response.json({ ...answer, turnId });
  } catch {
    audit.end(row, "kaltura-error", performance.now() - started);
    response.status(502).json({ title: "Kaltura error" });
  }
}

async function called(operation, requestId, sessionId, token, body) {
  const started = performance.now();
  const answer = await kaltura(`${sessionId}/${operation}`, `Bearer ${token}`, body);
  const durationMs = performance.now() - started;
  log.info({ requestId, operation, outcome: "ok", durationMs }, "kaltura");
  return answer;
}
