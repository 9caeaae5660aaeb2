"""The mirror: Kaltura's own Control API, spoken to the SDK.

Only the operations below exist here, and only named fields are passed on. Refusals have
Kaltura's shape and statuses (`app/web/error_responses.py`).
"""

from typing import Annotated, Final

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.routing import APIRoute

from app.kaltura.contract import (
    MIRROR_PATH,
    Acknowledged,
    ClientInit,
    Created,
    CreateRequest,
    Operation,
    TurnId,
)
from app.sessions.lifecycle.options import SessionOptions
from app.web.deps import BearerSession, SessionServiceDep, SpeechServiceDep, bearer_session
from app.web.docs.openapi import refusals
from app.web.route_classes import PlainRoute
from app.web.visitor.admission import SessionRequestDep
from app.web.visitor.control_calls import OF_MIRRORED_SPEAK, OF_SESSION, ControlCall, SpeakCall
from app.web.visitor.idempotency import SpeakKey
from app.web.visitor.rate_limits import BearerSessionToControl, BearerSessionToSpeakIn
from app.web.visitor.schemas import Duration


def _router(route_class: type[APIRoute]) -> APIRouter:
    return APIRouter(
        prefix=MIRROR_PATH,
        tags=["Mirror of Kaltura's Control API"],
        generate_unique_id_function=lambda route: f"mirror_{route.name}",
        responses=refusals(400, 401, 403, 404, 410, 429, 503),
        route_class=route_class,
    )


router: Final = _router(APIRoute)
plain: Final = _router(PlainRoute)


@router.post("", include_in_schema=False)
@router.post(f"/{Operation.CREATE}")
async def create(body: CreateRequest, asking: SessionRequestDep) -> Created:
    """Open a session for this visitor, so that the SDK's own `createSession` works.

    It needs no KS: the visitor is authenticated as on `/api`, and may choose what the operator
    offers. Where visitors sign in, the page gives the SDK their login's token in place of the KS.
    An SDK knows no waiting room, so it is refused while others wait.
    """
    voice_id = body.voice_config.id if body.voice_config else None
    opened = await asking.open_now(SessionOptions(body.visual_config.id, voice_id))
    return Created(session_id=opened.session.session_id, token=opened.token.get_secret_value())


@router.post(f"/{{sessionId}}/{Operation.INIT_CLIENT}", response_model_exclude_none=True)
async def init_client(grant: BearerSessionToControl, sessions: SessionServiceDep) -> ClientInit:
    """The address of the media, which Kaltura was asked for when the session was opened."""
    return await sessions.init_client(grant)


@plain.post(
    f"/{{sessionId}}/{Operation.SAY_TEXT}",
    response_model=Acknowledged,
    dependencies=[OF_MIRRORED_SPEAK],
)
async def say_text(request: Request) -> Response:
    """Say a text."""
    call = await SpeakCall.of(request, bearer_session)
    said = call.mirrored_text
    await call.state["speech"].say_text(
        call.grant, said.text, said.turn_id, is_final=said.is_final, idempotency_key=call.key
    )
    return call.answer(Acknowledged())


@router.post(f"/{{sessionId}}/{Operation.SAY_AUDIO}")
async def say_audio(
    grant: BearerSessionToSpeakIn,
    speech: SpeechServiceDep,
    audio: Annotated[UploadFile, File()],
    duration: Duration = None,  # noqa: ARG001 - it counts for nothing
    turn_id: Annotated[TurnId | None, Form(alias="turnId")] = None,
    idempotency_key: SpeakKey = None,
) -> Acknowledged:
    """Say a recording."""
    await speech.say_audio(grant, await audio.read(), turn_id, idempotency_key)
    return Acknowledged()


@plain.post(
    f"/{{sessionId}}/{Operation.INTERRUPT}",
    response_model=Acknowledged,
    dependencies=[OF_SESSION],
)
async def interrupt(request: Request) -> Response:
    """Stop speech."""
    call = await ControlCall.of(request, bearer_session)
    await call.state["speech"].interrupt(call.grant)
    return call.answer(Acknowledged())


@plain.post(
    f"/{{sessionId}}/{Operation.KEEP_ALIVE}",
    response_model=Acknowledged,
    dependencies=[OF_SESSION],
)
async def keep_alive(request: Request) -> Response:
    """Say that the session is still watched."""
    call = await ControlCall.of(request, bearer_session)
    await call.state["sessions"].keep_alive(call.grant)
    return call.answer(Acknowledged())


@router.post(f"/{{sessionId}}/{Operation.END}")
async def end(grant: BearerSession, sessions: SessionServiceDep) -> Acknowledged:
    """End the session; ending it again changes nothing."""
    await sessions.end(grant)
    return Acknowledged()
