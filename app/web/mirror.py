"""The mirror: Kaltura's own Control API, spoken to the SDK (DESIGN section 2).

Only the operations below exist here, and only named fields are passed on. Refusals have
Kaltura's shape and statuses (`app/web/error_responses.py`).
"""

from typing import Annotated, Final

from fastapi import APIRouter, File, Form, UploadFile

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
from app.web.deps import BearerSession, SessionServiceDep, SpeechServiceDep
from app.web.docs.openapi import refusals
from app.web.visitor.admission import SessionRequestDep
from app.web.visitor.idempotency import SpeakKey
from app.web.visitor.rate_limits import BearerSessionToControl, BearerSessionToSpeakIn
from app.web.visitor.schemas import Duration, MirroredText

router: Final = APIRouter(
    prefix=MIRROR_PATH,
    tags=["Mirror of Kaltura's Control API"],
    generate_unique_id_function=lambda route: f"mirror_{route.name}",
    responses=refusals(400, 401, 403, 404, 410, 429, 503),
)


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


@router.post(f"/{{sessionId}}/{Operation.SAY_TEXT}")
async def say_text(
    grant: BearerSessionToSpeakIn,
    said: MirroredText,
    speech: SpeechServiceDep,
    idempotency_key: SpeakKey = None,
) -> Acknowledged:
    """Say a text."""
    await speech.say_text(
        grant, said.text, said.turn_id, is_final=said.is_final, idempotency_key=idempotency_key
    )
    return Acknowledged()


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


@router.post(f"/{{sessionId}}/{Operation.INTERRUPT}")
async def interrupt(grant: BearerSessionToControl, speech: SpeechServiceDep) -> Acknowledged:
    """Stop speech."""
    await speech.interrupt(grant)
    return Acknowledged()


@router.post(f"/{{sessionId}}/{Operation.KEEP_ALIVE}")
async def keep_alive(grant: BearerSessionToControl, sessions: SessionServiceDep) -> Acknowledged:
    """Say that the session is still watched."""
    await sessions.keep_alive(grant)
    return Acknowledged()


@router.post(f"/{{sessionId}}/{Operation.END}")
async def end(grant: BearerSession, sessions: SessionServiceDep) -> Acknowledged:
    """End the session; ending it again changes nothing."""
    await sessions.end(grant)
    return Acknowledged()
