"""The visitor API: sessions and their controls."""

from typing import Annotated, Final

from fastapi import APIRouter, File, Form, Path, Request, Response, UploadFile
from fastapi.routing import APIRoute

from app.kaltura.contract import TurnId
from app.problems import (
    UPSTREAM,
    ControlNotAllowed,
    CrossSiteRequest,
    InvalidRequest,
    NothingToSay,
    OutcomeUnknown,
    Problem,
    QueueFull,
    RateLimited,
    ReplicaUnavailable,
    SessionEnded,
    SessionNotFound,
    SignInUnavailable,
    SpeechRefused,
    SpeechUnavailable,
    Unauthenticated,
)
from app.sessions.speech.utterances import Receipt
from app.web.deps import (
    CallerDep,
    OwnSession,
    PresenceDep,
    SessionServiceDep,
    SpeechServiceDep,
    VisitorAuthenticatorDep,
    own_session,
)
from app.web.docs.openapi import operation_id, problems
from app.web.middleware.origins import is_of_own_page
from app.web.route_classes import HeadRoute, PlainRoute
from app.web.visitor.control_calls import OF_SESSION, OF_SPEAK, ControlCall, SpeakCall
from app.web.visitor.idempotency import SpeakKey
from app.web.visitor.rate_limits import OwnSessionToSpeakIn
from app.web.visitor.schemas import (
    CreatedSession,
    Done,
    Duration,
    Heard,
    Media,
    SessionList,
    SessionState,
    Spoken,
    UtteranceList,
    UtteranceReceipt,
)
from app.web.visitor.state_reader import OpenedReaderDep, StateReaderDep
from app.web.visitor.text_stream import WRITTEN

_OWN: Final = (
    *(InvalidRequest, Unauthenticated, SignInUnavailable, SessionNotFound),
    ReplicaUnavailable,
)
_CONTROL: Final[tuple[type[Problem], ...]] = (
    *_OWN,
    CrossSiteRequest,
    ControlNotAllowed,
    SessionEnded,
    QueueFull,
    *UPSTREAM,
)
_COUNTED: Final = (*_CONTROL, RateLimited)
_SPEAK: Final = (*_COUNTED, SpeechUnavailable, OutcomeUnknown)


def _router(route_class: type[APIRoute]) -> APIRouter:
    return APIRouter(
        prefix="/api",
        tags=["Visitor"],
        generate_unique_id_function=operation_id,
        route_class=route_class,
    )


router: Final = _router(HeadRoute)
plain: Final = _router(PlainRoute)


@router.get("/avatar-sessions", responses=problems(InvalidRequest, SignInUnavailable))
async def list_avatar_sessions(
    request: Request,
    response: Response,
    caller: CallerDep,
    authenticator: VisitorAuthenticatorDep,
    sessions: SessionServiceDep,
    states: StateReaderDep,
) -> SessionList:
    """The visitor's own live sessions, to resume after a reload."""
    if is_of_own_page(request.headers):
        authenticator.greet(caller, request, response)
    own = sessions.owned_by(caller.visitor.id) if caller.visitor else []
    return SessionList(sessions=[await states.state(session) for session in own])


@router.get("/avatar-sessions/{sessionId}", responses=problems(*_OWN))
async def get_avatar_session(grant: OwnSession, states: StateReaderDep) -> SessionState:
    """A session's state, and the seconds it has left."""
    return await states.state(grant.session)


@router.post(
    "/avatar-sessions/{sessionId}/resume",
    responses=problems(*_OWN, CrossSiteRequest, SessionEnded),
)
async def resume(
    grant: OwnSession, presence: PresenceDep, opened_reader: OpenedReaderDep
) -> CreatedSession:
    """Take a session up again after a reload: the answer of create, once more."""
    return await opened_reader.told(await presence.resume(grant.runtime))


@router.post(
    "/avatar-sessions/{sessionId}/leave",
    responses=problems(*_OWN, CrossSiteRequest, OutcomeUnknown),
)
async def leave(grant: OwnSession, presence: PresenceDep) -> Done:
    """Say that the page goes away: the session ends in 3 seconds unless it is resumed before."""
    await presence.leave(grant.runtime)
    return Done()


@router.get(
    "/avatar-sessions/{sessionId}/media",
    responses=problems(*_OWN, ControlNotAllowed, SessionEnded),
)
async def get_media(grant: OwnSession, sessions: SessionServiceDep) -> Media:
    """The address of sound and picture, for players that need no token."""
    media = await sessions.media(grant)
    return Media(whep_url=media.whep_url, turn=media.turn)


@plain.post(
    "/avatar-sessions/{sessionId}/speak",
    responses=problems(*_SPEAK, SpeechRefused),
    response_model=Spoken,
    dependencies=[OF_SPEAK],
    openapi_extra={"requestBody": {"required": True, "content": WRITTEN}},
)
async def speak(request: Request) -> Response:
    """Say a text, or one that is still being written; while others are said it is `queued`."""
    call = await SpeakCall.of(request, own_session)
    return call.answer(Spoken.of(await _say(call)))


async def _say(call: SpeakCall) -> Receipt:
    speech, body = call.state["speech"], call.text
    if call.written is not None:
        return await speech.say_written(call.grant, call.written, call.turn_of_written, call.key)
    if body is None:
        raise NothingToSay("text: there is nothing to say.")
    return await speech.say_text(
        call.grant, body.text, body.turn_id, is_final=body.is_final, idempotency_key=call.key
    )


@router.post(
    "/avatar-sessions/{sessionId}/speak-audio",
    responses=problems(*_SPEAK),
    response_model_exclude_none=True,
)
async def speak_audio(
    grant: OwnSessionToSpeakIn,
    speech: SpeechServiceDep,
    audio: Annotated[UploadFile, File(description="A recording; its bytes decide of which kind")],
    duration: Duration = None,  # noqa: ARG001 - it counts for nothing
    turn_id: Annotated[TurnId | None, Form(alias="turnId")] = None,
    idempotency_key: SpeakKey = None,
) -> Spoken:
    """Say a recording."""
    return Spoken.of(await speech.say_audio(grant, await audio.read(), turn_id, idempotency_key))


@router.get("/avatar-sessions/{sessionId}/utterances", responses=problems(*_OWN))
async def list_utterances(grant: OwnSession, speech: SpeechServiceDep) -> UtteranceList:
    """The utterances of a session, and their fates."""
    found = speech.utterances(grant)
    return UtteranceList(utterances=[UtteranceReceipt.of(receipt) for receipt in found])


@router.post(
    "/avatar-sessions/{sessionId}/utterances/{turnId}/heard",
    responses=problems(*_OWN, CrossSiteRequest, SessionEnded, OutcomeUnknown),
)
async def tell_heard(
    grant: OwnSession,
    turn_id: Annotated[TurnId, Path(alias="turnId")],
    body: Heard,
    speech: SpeechServiceDep,
) -> Done:
    """Say that a player hears an utterance begin or end: Kaltura does not tell."""
    await speech.heard(grant, turn_id, begins=body.state == "started")
    return Done()


@plain.post(
    "/avatar-sessions/{sessionId}/interrupt",
    responses=problems(*_COUNTED),
    response_model=Done,
    dependencies=[OF_SESSION],
)
async def interrupt(request: Request) -> Response:
    """Stop speech, and forget what is queued; harmless when nothing is being said."""
    call = await ControlCall.of(request, own_session)
    await call.state["speech"].interrupt(call.grant)
    return call.answer(Done())


@plain.post(
    "/avatar-sessions/{sessionId}/keep-alive",
    responses=problems(*_COUNTED),
    response_model=Done,
    dependencies=[OF_SESSION],
)
async def keep_alive(request: Request) -> Response:
    """Say that the session is still watched; every 10 seconds will do."""
    call = await ControlCall.of(request, own_session)
    await call.state["sessions"].keep_alive(call.grant)
    return call.answer(Done())


@router.post("/avatar-sessions/{sessionId}/end", responses=problems(*_CONTROL))
async def end(grant: OwnSession, sessions: SessionServiceDep) -> Done:
    """End the session; ending it again changes nothing."""
    await sessions.end(grant)
    return Done()
