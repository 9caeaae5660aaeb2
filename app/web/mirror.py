"""The mirror: Kaltura's own Control API, spoken to the SDK (DESIGN section 2).

Only the operations below exist here; nothing is passed on that is not named. Refusals have
Kaltura's shape and statuses (`app/web/answers.py`).
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
from app.sessions.wishes import Wish
from app.web.counter import CounterDep
from app.web.deps import BearerSession, BrokerDep
from app.web.idempotency import SpeakKey
from app.web.limits import BearerSessionToControl, BearerSessionToSpeakIn
from app.web.openapi import refusals
from app.web.shapes import Duration, MirroredText

router: Final = APIRouter(
    prefix=MIRROR_PATH,
    tags=["Mirror of Kaltura's Control API"],
    generate_unique_id_function=lambda route: f"mirror_{route.name}",
    responses=refusals(400, 401, 403, 404, 410, 429, 503),
)


@router.post("", include_in_schema=False)
@router.post(f"/{Operation.CREATE}")
async def create(body: CreateRequest, counter: CounterDep) -> Created:
    """Open a session for this visitor, so that the SDK's own `createSession` works.

    No KS is wanted: who the visitor is decides, and what they may choose is what the operator
    offers. Where visitors sign in, the page gives the SDK their login's token in its place. An SDK
    knows no waiting room: it is refused when others wait.
    """
    voice_id = body.voice_config.id if body.voice_config else None
    opened = await counter.open_now(Wish(body.visual_config.id, voice_id))
    return Created(session_id=opened.session.session_id, token=opened.token.get_secret_value())


@router.post(f"/{{sessionId}}/{Operation.INIT_CLIENT}", response_model_exclude_none=True)
async def init_client(held: BearerSessionToControl, broker: BrokerDep) -> ClientInit:
    """Where the media is; Kaltura was asked once, when the session was opened."""
    return await broker.init_client(held)


@router.post(f"/{{sessionId}}/{Operation.SAY_TEXT}")
async def say_text(
    held: BearerSessionToSpeakIn,
    said: MirroredText,
    broker: BrokerDep,
    idempotency_key: SpeakKey = None,
) -> Acknowledged:
    """Say a text."""
    await broker.say_text(
        held, said.text, said.turn_id, is_final=said.is_final, idempotency_key=idempotency_key
    )
    return Acknowledged()


@router.post(f"/{{sessionId}}/{Operation.SAY_AUDIO}")
async def say_audio(
    held: BearerSessionToSpeakIn,
    broker: BrokerDep,
    audio: Annotated[UploadFile, File()],
    duration: Duration = None,  # noqa: ARG001 - it counts for nothing
    turn_id: Annotated[TurnId | None, Form(alias="turnId")] = None,
    idempotency_key: SpeakKey = None,
) -> Acknowledged:
    """Say a recording."""
    await broker.say_audio(held, await audio.read(), turn_id, idempotency_key)
    return Acknowledged()


@router.post(f"/{{sessionId}}/{Operation.INTERRUPT}")
async def interrupt(held: BearerSessionToControl, broker: BrokerDep) -> Acknowledged:
    """Stop speech."""
    await broker.interrupt(held)
    return Acknowledged()


@router.post(f"/{{sessionId}}/{Operation.KEEP_ALIVE}")
async def keep_alive(held: BearerSessionToControl, broker: BrokerDep) -> Acknowledged:
    """Say that the session is still watched."""
    await broker.keep_alive(held)
    return Acknowledged()


@router.post(f"/{{sessionId}}/{Operation.END}")
async def end(held: BearerSession, broker: BrokerDep) -> Acknowledged:
    """End the session; ending it again changes nothing."""
    await broker.end(held)
    return Acknowledged()
