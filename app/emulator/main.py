"""The emulator's ASGI application.

It needs uvicorn, whose connections it can drop, and a single process, which holds its sessions.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from app.emulator.call_recording import CallRecordingMiddleware
from app.emulator.catalog import CatalogApi
from app.emulator.control import ControlApi
from app.emulator.face.animation import FaceAnimator, StillFace
from app.emulator.face.portrait import picture_of, portrait_of
from app.emulator.fault_injection import FaultInjectionMiddleware
from app.emulator.faults import FaultList
from app.emulator.inspection import inspection_router
from app.emulator.media.tracks import FaceRenderer
from app.emulator.media.whep import WhepApi
from app.emulator.refusals import register_error_handlers
from app.emulator.sessions import EmulatorSessions
from app.emulator.settings import EmulatorSettings
from app.emulator.speech.voice import SpeechEngine

MAX_BODY_BYTES: Final = 256 << 10
"""The largest body of any request except say-audio, which has its own limit."""

_WELCOME: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Kaltura avatar emulator</title>
<style>
  :root { color-scheme: light dark; font: 1rem/1.6 system-ui, sans-serif }
  body { max-width: 40rem; margin: 4rem auto; padding: 0 1rem }
</style>
<h1>Kaltura avatar emulator</h1>
<p>A stand-in for Kaltura's Avatar Control API, with a drawn face and a synthesised voice. It is
for development: no account, no cost, and nothing leaves this machine.</p>
<ul>
  <li><a href="/emulator/sessions">Sessions</a>: every session and the calls it got</li>
  <li><a href="/emulator/faults">Faults</a>: what is set to go wrong; PUT a list to change it</li>
</ul>
</html>
"""


def create_emulator(settings: EmulatorSettings) -> FastAPI:
    """Make the emulator; the end of its lifespan ends every session and stops every thread."""
    engine = SpeechEngine()
    sessions = EmulatorSessions(settings, engine)
    faults = FaultList()

    async def renderer_for(avatar_id: str) -> FaceRenderer:
        if settings.is_still:
            return StillFace(await picture_of(avatar_id))
        return FaceAnimator(await portrait_of(avatar_id))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Drawn at the start, so that the first visitor need not wait for it.
        first_face = asyncio.create_task(renderer_for(settings.avatar_id))
        yield
        await sessions.close()
        await first_face
        engine.close()

    class Emulator(FastAPI):
        """Has call recording as its outermost layer: only there can a connection be dropped."""

        def build_middleware_stack(self) -> ASGIApp:
            return CallRecordingMiddleware(super().build_middleware_stack(), settings, sessions)

    app = Emulator(
        title="Kaltura avatar emulator",
        lifespan=lifespan,
        openapi_url=None,
        max_body_size=MAX_BODY_BYTES,
    )
    register_error_handlers(app)
    # CORS is added last, so it is outside: pages of any origin may read injected answers too.
    app.add_middleware(FaultInjectionMiddleware, faults=faults)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["POST", "DELETE", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
        expose_headers=["Location", "X-Request-ID"],
    )
    app.include_router(ControlApi(settings, sessions).router)
    app.include_router(CatalogApi(settings).router)
    app.include_router(WhepApi(settings, sessions, renderer_for).router)
    app.include_router(inspection_router(sessions, faults))

    @app.get("/")
    async def welcome() -> HTMLResponse:
        return HTMLResponse(_WELCOME)

    return app
