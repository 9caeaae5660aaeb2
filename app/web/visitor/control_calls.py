"""Control calls as `PlainRoute` has them: read from the request, counted, and answered.

A call is refused in this order: for a body that is no JSON, for its key, for its caller, for its
rate, and for what it says.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self, TypeVar

from fastapi import Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.kaltura.contract import TurnId
from app.sessions.access import SessionGrant
from app.web.deps import SessionIdPath, State, state_of
from app.web.route_classes import documented
from app.web.visitor.idempotency import SpeakKey
from app.web.visitor.rate_limits import count_control, count_speak
from app.web.visitor.schemas import MirroredText, SpeakRequest
from app.web.visitor.text_stream import TURN_OF_WRITTEN, written_texts

FindSession = Callable[[Request, str], Awaitable[SessionGrant]]
"""Finds the session for its caller: `own_session` or `bearer_session`."""

Value = TypeVar("Value")

_KEY: Final = TypeAdapter[str | None](SpeakKey)
_TURN: Final = TypeAdapter[str | None](TurnId | None)
_TEXT: Final = TypeAdapter[SpeakRequest | None](SpeakRequest | None)
_MIRRORED_TEXT: Final = TypeAdapter[MirroredText](MirroredText)


@dataclass(frozen=True, slots=True)
class ControlCall:
    """One call of a control: its session, and the headers that tell what is left of its rate."""

    state: State
    grant: SessionGrant
    headers: Mapping[str, str]

    @classmethod
    async def of(cls, request: Request, find: FindSession) -> Self:
        """Find the session for the caller, and count the call."""
        grant, headers = await count_control(request, await find(request, _session_id(request)))
        return cls(state_of(request), grant, headers)

    def answer(self, body: BaseModel) -> Response:
        """The response to this call."""
        content = body.model_dump_json(exclude_none=True)
        return Response(content, media_type="application/json", headers=self.headers)


@dataclass(frozen=True, slots=True)
class SpeakCall(ControlCall):
    """One speak; `content` is the JSON of its body, None without one."""

    key: str | None
    content: Any
    turn_of_written: str | None
    written: AsyncIterator[str] | None
    """The texts of a streamed body."""

    @classmethod
    async def of(cls, request: Request, find: FindSession) -> Self:
        """Find the session for the caller, and count the call unless its key was sent before."""
        content = await _json_body(request)
        key = _valid(_KEY, request.headers.get("Idempotency-Key"), "header", "Idempotency-Key")
        grant = await find(request, _session_id(request))
        grant, headers = await count_speak(request, grant, key)
        turn = _valid(_TURN, _query(request, "turnId"), "query", "turnId")
        written = written_texts(request)
        return cls(state_of(request), grant, headers, key, content, turn, written)

    @property
    def text(self) -> SpeakRequest | None:
        """The body of the visitor API; raises `RequestValidationError`."""
        return _valid(_TEXT, self.content, "body")

    @property
    def mirrored_text(self) -> MirroredText:
        """The body of the mirror; raises `RequestValidationError`."""
        return _valid(_MIRRORED_TEXT, {} if self.content is None else self.content, "body")


async def _of_session(session_id: SessionIdPath) -> None: ...


async def _of_speak(
    session_id: SessionIdPath,
    idempotency_key: SpeakKey = None,
    body: SpeakRequest | None = None,
    turn_id: Annotated[TurnId | None, Query(alias="turnId", description=TURN_OF_WRITTEN)] = None,
) -> None: ...


async def _of_mirrored_speak(
    session_id: SessionIdPath, said: MirroredText, idempotency_key: SpeakKey = None
) -> None: ...


OF_SESSION: Final = documented(_of_session)
OF_SPEAK: Final = documented(_of_speak)
OF_MIRRORED_SPEAK: Final = documented(_of_mirrored_speak)
"""The parameters of a speak on the mirror, for the OpenAPI document."""


def _session_id(request: Request) -> str:
    session_id: str = request.path_params["sessionId"]
    return session_id


def _query(request: Request, name: str) -> str | None:
    """A parameter of the query, which most requests do not have."""
    return request.query_params.get(name) if request.scope["query_string"] else None


async def _json_body(request: Request) -> Any:
    """The JSON of a body whose type `BodyGuard` has checked; None for an empty body."""
    body = await request.body()
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError as error:
        mistake = {"type": "json_invalid", "loc": ("body",), "msg": "JSON decode error"}
        raise RequestValidationError([mistake]) from error


def _valid(adapter: TypeAdapter[Value], value: object, *where: str) -> Value:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        raise RequestValidationError(
            [{**mistake, "loc": (*where, *mistake["loc"])} for mistake in mistakes]
        ) from None
