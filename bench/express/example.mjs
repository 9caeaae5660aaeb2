/** The server that Kaltura's documentation shows: sessions opened with the KS, calls passed on. */
import express from "express";
import { createSession, kaltura } from "./kaltura.mjs";

const MAX_TEXT_LENGTH = 1000;

const tokens = new Map();
const app = express();
app.use(express.json());

app.get("/healthz", (_request, response) => response.json({ success: true }));

app.post("/api/create-avatar-session", async (_request, response) => {
  const { sessionId, token } = await createSession();
  tokens.set(sessionId, token);
  response.json({ sessionId, token });
});

app.post("/api/avatar-sessions/:sessionId/speak", async (request, response) => {
  const { sessionId } = request.params;
  const { text, turnId, isFinal = true } = request.body;
  if (!text || text.length > MAX_TEXT_LENGTH) {
    response.status(400).json({ error: "Invalid text" });
    return;
  }
  const authorization = `Bearer ${tokens.get(sessionId)}`;
  response.json(await kaltura(`${sessionId}/say-text`, authorization, { text, turnId, isFinal }));
});

app.post("/api/avatar-sessions/:sessionId/keep-alive", async (request, response) => {
  const { sessionId } = request.params;
  response.json(await kaltura(`${sessionId}/keep-alive`, `Bearer ${tokens.get(sessionId)}`, {}));
});

app.listen(Number(process.argv[2]), "127.0.0.1");
