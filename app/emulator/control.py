"""The emulator's Control API: the seven operations, answered as Kaltura does (reference 1)."""

import asyncio
import math
from http import HTTPStatus
from typing import Final, TypeVar

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import UploadFile

from app.emulator.call_recording import WHEP_PATH, context_of
from app.emulator.media.speech_player import QueueFullError
from app.emulator.refusals import RefusalError
from app.emulator.sessions import EmulatorSessions, Session, TooManySessionsError
from app.emulator.settings import FORBIDDEN_KS_PREFIX, INVALID_KS_PREFIX, EmulatorSettings
from app.emulator.speech.resampling import UnreadableRecordingError, decode
from app.emulator.speech.visemes import SHAPES_PER_SECOND, shapes_of_audio
from app.emulator.speech.voice import Speech
from app.emulator.tokens import TokenSigner
from app.kaltura.contract import (
    CLONED_VOICE_PREFIX,
    MIRROR_PATH,
    Acknowledged,
    ClientInit,
    Created,
    CreateRequest,
    DocumentedRefusal,
    Operation,
    SayTextRequest,
    TurnId,
)

LONGEST_DURATION_SECONDS: Final = 3600
MAX_RECORDING_BYTES: Final = 32 << 20
MAX_NOTED_CHARACTERS: Final = 2_000
"""The most characters of a text that the record of a call keeps."""

ModelT = TypeVar("ModelT", bound=BaseModel)


class ControlApi:
    """The handlers of the Control API for the sessions of one emulator."""

    def __init__(self, settings: EmulatorSettings, sessions: EmulatorSessions) -> None:
        self._settings = settings
        self._sessions = sessions
        self._tokens = TokenSigner(settings)

    @property
    def router(self) -> APIRouter:
        """The routes of all operations; create has two paths (D1)."""
        router = APIRouter(prefix=MIRROR_PATH)
        for path in ("", "/create"):
            router.add_api_route(path, self._create, methods=["POST"])
        for operation, handler in (
            (Operation.INIT_CLIENT, self._init_client),
            (Operation.SAY_TEXT, self._say_text),
            (Operation.SAY_AUDIO, self._say_audio),
            (Operation.INTERRUPT, self._interrupt),
            (Operation.KEEP_ALIVE, self._keep_alive),
            (Operation.END, self._end),
        ):
            path = f"/{{session_id}}/{operation}"
            limit = MAX_RECORDING_BYTES if operation is Operation.SAY_AUDIO else None
            router.add_api_route(path, handler, methods=["POST"], max_body_size=limit)
        return router

    async def _create(self, request: Request) -> JSONResponse:
        check_ks(request, self._settings)
        wanted = await parsed(request, CreateRequest)
        voice = wanted.voice_config
        if voice and voice.model_id and (voice.id or "").startswith(CLONED_VOICE_PREFIX):
            raise RefusalError(HTTPStatus.BAD_REQUEST, "A voice clone takes no modelId")
        try:
            session = self._sessions.create(wanted)
        except TooManySessionsError as error:
            raise RefusalError(HTTPStatus.TOO_MANY_REQUESTS, "Too many sessions") from error
        if context := context_of(request.scope):
            context.session = session
        token = self._tokens.issue(session.session_id)
        return _answer(Created(session_id=session.session_id, token=token))

    async def _init_client(self, request: Request, session_id: str) -> JSONResponse:
        session = self._session(request, session_id)
        session.initialised = True
        base = (self._settings.public_url or str(request.base_url)).rstrip("/")
        # No `turn`: the emulator has no relay, and a player that is given one may use only it.
        return _answer(ClientInit(whep_url=f"{base}{WHEP_PATH}/{session.whep_key}"))

    async def _say_text(self, request: Request, session_id: str) -> JSONResponse:
        session = self._session(request, session_id)
        said = await parsed(request, SayTextRequest)
        _note(request, said.turn_id, said.text)
        if not said.text.strip():
            raise RefusalError.of(DocumentedRefusal.TEXT_REQUIRED)
        try:
            session.player.say_text(said.text)
        except QueueFullError as error:
            raise RefusalError(HTTPStatus.TOO_MANY_REQUESTS, "Too many utterances") from error
        return _answer(Acknowledged())

    async def _say_audio(self, request: Request, session_id: str) -> JSONResponse:
        session = self._session(request, session_id)
        async with request.form(max_files=1, max_fields=8) as form:
            turn_id, duration, audio = (form.get(name) for name in ("turnId", "duration", "audio"))
            seconds = _duration(duration)
            _note(request, _turn_id(turn_id))
            if not isinstance(audio, UploadFile):
                raise RefusalError(HTTPStatus.BAD_REQUEST, "Audio is required")
            recording = await audio.read()
        try:
            speech = await asyncio.to_thread(_recorded_speech, recording, seconds)
            session.player.say_speech(speech)
        except UnreadableRecordingError as error:
            raise RefusalError(HTTPStatus.BAD_REQUEST, str(error)) from error
        except QueueFullError as error:
            raise RefusalError(HTTPStatus.TOO_MANY_REQUESTS, "Too many utterances") from error
        return _answer(Acknowledged())

    async def _interrupt(self, request: Request, session_id: str) -> JSONResponse:
        session = self._session(request, session_id)
        context = context_of(request.scope)
        session.player.interrupt(keep_queue=context is not None and context.keep_queue)
        return _answer(Acknowledged())

    async def _keep_alive(self, request: Request, session_id: str) -> JSONResponse:
        self._session(request, session_id)
        return _answer(Acknowledged())

    async def _end(self, request: Request, session_id: str) -> JSONResponse:
        await self._sessions.end(self._session(request, session_id))
        return _answer(Acknowledged())

    def _session(self, request: Request, session_id: str) -> Session:
        """The open session that the caller's token is for; raises `RefusalError`."""
        authorised_for = self._tokens.session_id(_credentials(request, "bearer"))
        if authorised_for is None:
            raise RefusalError.of(DocumentedRefusal.INVALID_TOKEN)
        session = self._sessions.get(session_id)
        if session is None:
            raise RefusalError.of(DocumentedRefusal.SESSION_NOT_FOUND)
        if session.session_id != authorised_for:
            raise RefusalError.of(DocumentedRefusal.INVALID_TOKEN)
        if session.ended_at is not None:
            raise RefusalError.of(DocumentedRefusal.SESSION_ENDED)
        return session


def _answer(model: Acknowledged) -> JSONResponse:
    return JSONResponse(model.model_dump(by_alias=True, exclude_none=True))


def check_ks(request: Request, settings: EmulatorSettings) -> None:
    """Raise `RefusalError` unless a call has a KS that the emulator accepts."""
    ks = _credentials(request, "ks")
    if ks.startswith(FORBIDDEN_KS_PREFIX):
        raise RefusalError.of(DocumentedRefusal.KS_NOT_AUTHORIZED)
    wanted = settings.ks or ks
    if not ks or ks != wanted or ks.startswith(INVALID_KS_PREFIX):
        raise RefusalError.of(DocumentedRefusal.INVALID_KS)


def _credentials(request: Request, scheme: str) -> str:
    """The credentials in Authorization after `scheme`; empty for another scheme or no header."""
    name, _, credentials = request.headers.get("authorization", "").partition(" ")
    return credentials.strip() if name.lower() == scheme else ""


async def parsed(request: Request, model: type[ModelT]) -> ModelT:
    """The body of a call; raises `RefusalError` for one that is malformed."""
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if "text" in first["loc"]:
            raise RefusalError.of(DocumentedRefusal.TEXT_REQUIRED) from error
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"{where}: {first['msg']}") from error


def _note(request: Request, turn_id: str | None, text: str | None = None) -> None:
    """Add the turn id and the text to the record of this call."""
    if context := context_of(request.scope):
        context.call.turn_id = turn_id
        context.call.text = text and text[:MAX_NOTED_CHARACTERS]


def _turn_id(value: object) -> str:
    try:
        return TypeAdapter(TurnId).validate_python(value)
    except ValidationError as error:
        raise RefusalError(HTTPStatus.BAD_REQUEST, "turnId is required") from error


def _duration(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_DURATION_SECONDS:
        raise RefusalError(HTTPStatus.BAD_REQUEST, "duration is required, in seconds")
    return seconds


def _recorded_speech(recording: bytes, seconds: float) -> Speech:
    """A recording as speech whose mouth moves for `seconds`, the caller's `duration`.

    Kaltura does not measure a recording either, so a wrong duration puts its mouth out of step
    with its sound (1.5).
    """
    samples = decode(recording)
    mouths = shapes_of_audio(samples)
    rows = np.arange(max(1, round(seconds * SHAPES_PER_SECOND))) * len(mouths)
    return Speech(
        samples,
        mouths[(rows / (seconds * SHAPES_PER_SECOND)).astype(int).clip(max=len(mouths) - 1)],
    )
