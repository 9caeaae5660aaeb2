"""Reads a session's state for its visitor."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from app.config.settings import Settings
from app.sessions.access import SessionGrant
from app.sessions.capacity.budgets import Budgets
from app.sessions.clock import SessionClock
from app.sessions.service import SessionService
from app.sessions.store.model import AvatarSession
from app.sessions.tokens import OpenedSession
from app.web.deps import BudgetsDep, ClockDep, OwnOriginDep, SessionServiceDep, SettingsDep
from app.web.visitor.schemas import CreatedSession, SessionState


@dataclass(frozen=True)
class StateReader:
    """Reads states, with the seconds that a session has left."""

    sessions: SessionService
    budgets: Budgets
    clock: SessionClock

    async def now(self, grant: SessionGrant) -> SessionState:
        """The present state of a session, for a caller whose grant may be old."""
        return await self.state(await self.sessions.now(grant))

    async def state(self, session: AvatarSession) -> SessionState:
        """The state of a session as it is now."""
        left = await self.budgets.seconds_left(session)
        return SessionState.of(session, clock=self.clock, seconds_left=left)


@dataclass(frozen=True)
class OpenedReader:
    """Makes the answer with which a page shows a session that was opened or resumed."""

    budgets: Budgets
    settings: Settings
    origin: str

    async def told(self, opened: OpenedSession) -> CreatedSession:
        """The session and its token, for a page that reaches the broker at `origin`."""
        left = await self.budgets.seconds_left(opened.session)
        return CreatedSession.of(opened, self.settings, origin=self.origin, seconds_left=left)


async def _state_reader(
    sessions: SessionServiceDep, budgets: BudgetsDep, clock: ClockDep
) -> StateReader:
    return StateReader(sessions, budgets, clock)


async def _opened_reader(
    budgets: BudgetsDep, settings: SettingsDep, origin: OwnOriginDep
) -> OpenedReader:
    return OpenedReader(budgets, settings, origin)


StateReaderDep = Annotated[StateReader, Depends(_state_reader)]
OpenedReaderDep = Annotated[OpenedReader, Depends(_opened_reader)]
