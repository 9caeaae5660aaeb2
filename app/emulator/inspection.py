"""The routes that only the emulator has: its sessions with their calls, and its faults."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from app.emulator.faults import MAX_FAULTS, Fault, FaultList
from app.emulator.sessions import EmulatorSessions, RecordedCall, Session
from app.kaltura.contract import WireModel


class SessionView(WireModel):
    """One session as `/emulator/sessions` shows it; times are unix seconds."""

    session_id: str
    state: str
    avatar_id: str
    voice_id: str | None
    created_at: float
    ended_at: float | None
    viewer: bool
    speaking: bool
    queued: int
    calls: list[RecordedCall]


class SessionsView(WireModel):
    """Every session that the emulator remembers, and counts of sessions since its start.

    `calls` belong to no session: a create that was refused, a call to an unknown session.
    """

    sessions: list[SessionView]
    opened: int
    open: int
    highest_open: int
    calls: list[RecordedCall]


def inspection_router(sessions: EmulatorSessions, faults: FaultList) -> APIRouter:
    """The routes under `/emulator`."""
    router = APIRouter(prefix="/emulator")

    @router.get("/sessions")
    async def show_sessions() -> SessionsView:
        return SessionsView(
            sessions=[_view(session) for session in sessions],
            opened=sessions.opened,
            open=sessions.open_count,
            highest_open=sessions.highest_open,
            calls=list(sessions.unassigned_calls),
        )

    @router.get("/faults")
    async def show_faults() -> list[Fault]:
        return list(faults)

    @router.put("/faults")
    async def replace_faults(
        wanted: Annotated[list[Fault], Field(max_length=MAX_FAULTS)],
    ) -> list[Fault]:
        faults.replace(wanted)
        return list(faults)

    @router.delete("/faults", status_code=204)
    async def forget_faults() -> None:
        faults.replace([])

    return router


def _view(session: Session) -> SessionView:
    return SessionView(
        session_id=session.session_id,
        state=session.state,
        avatar_id=session.avatar_id,
        voice_id=session.voice_id,
        created_at=session.created_at,
        ended_at=session.ended_at,
        viewer=session.viewer is not None,
        speaking=session.player.speaking,
        queued=session.player.queued,
        calls=list(session.calls),
    )
