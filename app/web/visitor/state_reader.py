"""How a session's state is told to its visitor."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from app.sessions.access import SessionGrant
from app.sessions.capacity.budgets import Budgets
from app.sessions.clock import SessionClock
from app.sessions.service import SessionService
from app.sessions.store.model import AvatarSession
from app.web.deps import BudgetsDep, ClockDep, SessionServiceDep
from app.web.visitor.schemas import SessionState


@dataclass(frozen=True)
class StateReader:
    """Reads states, with the seconds that a session has left."""

    sessions: SessionService
    budgets: Budgets
    clock: SessionClock

    async def now(self, grant: SessionGrant) -> SessionState:
        """The state of a session by now, for a caller who has had its grant for a while."""
        return await self.state(await self.sessions.now(grant))

    async def state(self, session: AvatarSession) -> SessionState:
        """The state of a session as it is now."""
        left = await self.budgets.seconds_left(session)
        return SessionState.of(session, clock=self.clock, seconds_left=left)


async def _state_reader(
    sessions: SessionServiceDep, budgets: BudgetsDep, clock: ClockDep
) -> StateReader:
    return StateReader(sessions, budgets, clock)


StateReaderDep = Annotated[StateReader, Depends(_state_reader)]
