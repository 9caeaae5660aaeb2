"""The page of the conversation, and what it asks for."""

import os
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
from conversation import Conversation, broker, model
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse
from scripted_model import scripted_model

MOST: Final = 1000

conversations: dict[str, Conversation] = {}
app = FastAPI(openapi_url=None)
app.mount("/scripted", scripted_model)


def find(session_id: str) -> Conversation:
    """The conversation of a session that this server has opened."""
    if session_id not in conversations:
        raise HTTPException(404, "This session is over.")
    return conversations[session_id]


@app.get("/")
async def page() -> HTMLResponse:
    html = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    return HTMLResponse(html.replace("$BROKER", os.environ["BROKER_URL"]))


@app.post("/sessions")
async def open_session(wish: dict[str, str]) -> JSONResponse:
    """Opens a session for the page, or gets it a place in line."""
    key = {"Idempotency-Key": wish.pop("idempotencyKey")}
    opened = await broker.post("/create-avatar-session", json=wish, headers=key)
    answer = opened.json()
    if "sessionId" in answer:
        conversations.setdefault(answer["sessionId"], Conversation(answer["sessionId"]))
        for oldest in list(conversations)[:-MOST]:
            del conversations[oldest]
    return JSONResponse(answer, opened.status_code)


@app.post("/sessions/{session_id}/words")
async def hear(conversation: Annotated[Conversation, Depends(find)], request: Request) -> Any:
    return await conversation.hear((await request.body()).decode())


@app.post("/sessions/{session_id}/recording", dependencies=[Depends(find)])
async def transcribe(request: Request) -> Any:
    kind = request.headers["content-type"].partition(";")[0]
    recording = (f"words.{kind.rpartition('/')[2]}", await request.body(), kind)
    heard = await model.post(
        "/audio/transcriptions", data={"model": "whisper-1"}, files={"file": recording}
    )
    return heard.raise_for_status().json()["text"]


@app.exception_handler(httpx.HTTPError)
async def refuse(_: Request, error: httpx.HTTPError) -> JSONResponse:
    if isinstance(error, httpx.HTTPStatusError) and error.response.status_code == httpx.codes.GONE:
        return JSONResponse({"state": "ended"})
    return JSONResponse({"detail": f"{error.request.url.host} did not answer as it should."}, 502)
