// A shop whose server opens the avatar's session, and decides what is said.
import express from "express";

const { PORT = "8010", SERVICE_TOKEN } = process.env;

async function broker(path, body, headers = {}) {
  const answer = await fetch(`http://127.0.0.1:8000/api/${path}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${SERVICE_TOKEN}`, "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}

const app = express();
app.use(express.json());
app.get("/", (_, answer) => answer.sendFile(`${import.meta.dirname}/index.html`));

// Put this behind your login: every call spends your minutes.
app.post("/session", async ({ body: { idempotencyKey, ...wish } }, answer) => {
  const key = { "Idempotency-Key": idempotencyKey };
  const { status, body } = await broker("create-avatar-session", wish, key);
  answer.status(status).json(body);
});

// Put this behind your login too, and only for a session that this visitor was given.
app.post("/parcel", async ({ body: { sessionId } }, answer) => {
  const path = `avatar-sessions/${encodeURIComponent(sessionId)}/speak`;
  const { status, body } = await broker(path, { text: "Your parcel is on its way." });
  answer.status(status).json(body);
});

app.listen(PORT, "127.0.0.1", () => console.log(`The shop: http://127.0.0.1:${PORT}`));
