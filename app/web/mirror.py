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
    Operation,
    SayTextRequest,
    TurnId,
)
from app.sessions.recordings import recording
from app.web.deps import BearerSession, BrokerDep

router: Final = APIRouter(
    prefix=MIRROR_PATH,
    tags=["Mirror of Kaltura's Control API"],
    generate_unique_id_function=lambda route: f"mirror_{route.name}",
)


@router.post(f"/{{sessionId}}/{Operation.INIT_CLIENT}", response_model_exclude_none=True)
async def init_client(session: BearerSession, broker: BrokerDep) -> ClientInit:
    """Where the media is; Kaltura was asked once, when the session was opened."""
    return await broker.media(session)


@router.post(f"/{{sessionId}}/{Operation.SAY_TEXT}")
async def say_text(session: BearerSession, said: SayTextRequest, broker: BrokerDep) -> Acknowledged:
    """Say a text."""
    await broker.say_text(session, said.text, said.turn_id, is_final=said.is_final)
    return Acknowledged()


@router.post(f"/{{sessionId}}/{Operation.SAY_AUDIO}")
async def say_audio(
    session: BearerSession,
    broker: BrokerDep,
    audio: Annotated[UploadFile, File()],
    duration: Annotated[float | None, Form()] = None,
    turn_id: Annotated[TurnId | None, Form(alias="turnId")] = None,
) -> Acknowledged:
    """Say a recording."""
    await broker.say_audio(session, recording(await audio.read(), duration), turn_id)
    return Acknowledged()


@router.post(f"/{{sessionId}}/{Operation.INTERRUPT}")
async def interrupt(session: BearerSession, broker: BrokerDep) -> Acknowledged:
    """Stop speech."""
    await broker.interrupt(session)
    return Acknowledged()


@router.post(f"/{{sessionId}}/{Operation.KEEP_ALIVE}")
async def keep_alive(session: BearerSession, broker: BrokerDep) -> Acknowledged:
    """Say that the session is still watched."""
    await broker.keep_alive(session)
    return Acknowledged()


@router.post(f"/{{sessionId}}/{Operation.END}")
async def end(session: BearerSession, broker: BrokerDep) -> Acknowledged:
    """End the session; ending it again changes nothing."""
    await broker.end_for_visitor(session)
    return Acknowledged()
