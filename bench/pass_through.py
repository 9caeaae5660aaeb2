"""The smallest proxy on the broker's stack: FastAPI, uvicorn, and httpx over its transport.

It protects nothing. What the broker costs beyond it is the price of what the broker does.
"""

import contextlib
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel

from app.kaltura.control_transport import ControlTransport


class SpeakBody(BaseModel):
    """The body of a speak, as a page sends it."""

    text: str
    turnId: str  # noqa: N815 - as on the wire
    isFinal: bool = True  # noqa: N815 - as on the wire


def create_app(base_url: str, ks: str) -> FastAPI:
    """Make a proxy that opens sessions with the KS, and passes calls on with their tokens."""
    tokens: dict[str, str] = {}

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
        async with httpx.AsyncClient(transport=ControlTransport()) as client:
            yield {"client": client}

    app = FastAPI(lifespan=lifespan)

    async def call(request: Request, path: str, authorization: str, body: Any) -> Any:
        client: httpx.AsyncClient = request.state.client
        headers = {"Authorization": authorization}
        answer = await client.post(f"{base_url}/{path}", json=body, headers=headers)
        return answer.raise_for_status().json()

    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        return {"success": True}

    @app.post("/api/create-avatar-session")
    async def create(request: Request) -> dict[str, str]:
        body = {"visualConfig": {"avatarId": "bench"}}
        session = await call(request, "create", f"KS {ks}", body)
        tokens[session["sessionId"]] = session["token"]
        return {"sessionId": session["sessionId"], "token": session["token"]}

    @app.post("/api/avatar-sessions/{session_id}/speak")
    async def speak(session_id: str, body: SpeakBody, request: Request) -> Any:
        authorization = f"Bearer {tokens[session_id]}"
        return await call(request, f"{session_id}/say-text", authorization, body.model_dump())

    @app.post("/api/avatar-sessions/{session_id}/keep-alive")
    async def keep_alive(session_id: str, request: Request) -> Any:
        authorization = f"Bearer {tokens[session_id]}"
        return await call(request, f"{session_id}/keep-alive", authorization, {})

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(os.environ["AVATAR_BASE_URL"], os.environ["AVATAR_KS"]),
        port=int(sys.argv[1]),
        log_level="warning",
    )
