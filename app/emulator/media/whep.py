"""The WHEP endpoint, from which a browser gets video and audio (reference 3).

A session has one viewer. It sends an offer, gets an answer with all ICE candidates, and watches
until it deletes its resource, its connection fails, or the session ends.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeAlias

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.emulator.call_recording import WHEP_PATH
from app.emulator.media.tracks import FaceRenderer, FaceTrack, MediaClock, VoiceTrack
from app.emulator.media.viewer import PeerViewer
from app.emulator.refusals import RefusalError
from app.emulator.sessions import EmulatorSessions, Session
from app.emulator.settings import EmulatorSettings
from app.kaltura.contract import DocumentedRefusal

SDP: Final = "application/sdp"

RendererFactory: TypeAlias = Callable[[str], Awaitable[FaceRenderer]]
"""Returns the renderer of an avatar's id."""


class WhepApi:
    """The handlers of the WHEP endpoint for the sessions of one emulator."""

    def __init__(
        self, settings: EmulatorSettings, sessions: EmulatorSessions, renderer_for: RendererFactory
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._renderer_for = renderer_for

    @property
    def router(self) -> APIRouter:
        """The routes of the endpoint, and of the viewer's resource below it."""
        router = APIRouter(prefix=WHEP_PATH)
        router.add_api_route("/{key}", self._watch, methods=["POST"])
        router.add_api_route("/{key}/viewer/{viewer_id}", self._leave, methods=["DELETE"])
        return router

    async def _watch(self, request: Request, key: str) -> Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != SDP:
            raise RefusalError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send {SDP}")
        offer = (await request.body()).decode(errors="replace")
        renderer = await self._renderer_for(self._session(key).avatar_id)
        if await request.is_disconnected():
            raise RefusalError(HTTPStatus.REQUEST_TIMEOUT, "The viewer has gone")
        # Looked up again, because the session may have ended in the meantime.
        session = self._session(key)
        if session.viewer is not None:
            raise RefusalError(HTTPStatus.CONFLICT, "Stream already has a viewer")
        viewer = PeerViewer(
            connect_seconds=self._settings.connect_seconds,
            on_close=lambda: _clear_viewer(session, viewer),
        )
        session.viewer = viewer
        answer = await _answer(viewer, offer, session, renderer, on_loopback=_is_loopback(request))
        location = f"{WHEP_PATH}/{key}/viewer/{viewer.viewer_id}"
        return Response(answer, HTTPStatus.CREATED, {"Location": location}, media_type=SDP)

    async def _leave(self, key: str, viewer_id: str) -> Response:
        viewer = self._session(key).viewer
        if viewer is None or viewer.viewer_id != viewer_id:
            raise RefusalError(HTTPStatus.NOT_FOUND, "No such viewer")
        await viewer.close()
        return Response()

    def _session(self, key: str) -> Session:
        session = self._sessions.with_whep_key(key)
        if session is None:
            raise RefusalError.of(DocumentedRefusal.SESSION_NOT_FOUND)
        return session


async def _answer(
    viewer: PeerViewer, offer: str, session: Session, renderer: FaceRenderer, *, on_loopback: bool
) -> str:
    clock = MediaClock()
    voice = VoiceTrack(session.player, clock)
    face = FaceTrack(session.player, clock, renderer)
    try:
        return await viewer.answer(offer, voice, face, on_loopback=on_loopback)
    except ValueError as error:
        await viewer.close()
        raise RefusalError(HTTPStatus.BAD_REQUEST, "Invalid SDP offer") from error


def _clear_viewer(session: Session, viewer: PeerViewer) -> None:
    if session.viewer is viewer:
        session.viewer = None


def _is_loopback(request: Request) -> bool:
    """Whether the viewer's request came in on a loopback address."""
    host = (request.scope.get("server") or ("", 0))[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True
