"""How a session's state is told to its visitor."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from app.sessions.capacity.budgets import Budgets
from app.sessions.clock import SessionClock
from app.sessions.store.model import AvatarSession
from app.web.deps import BudgetsDep, ClockDep
from app.web.visitor.schemas import SessionState


@dataclass(frozen=True)
class StateReader:
    """Reads states, with the seconds that a session has left."""

    budgets: Budgets
    clock: SessionClock

    async def state(self, session: AvatarSession) -> SessionState:
        """The state of a session as it is now."""
        left = await self.budgets.seconds_left(session)
        return SessionState.of(session, clock=self.clock, seconds_left=left)


async def _state_reader(budgets: BudgetsDep, clock: ClockDep) -> StateReader:
    return StateReader(budgets, clock)


StateReaderDep = Annotated[StateReader, Depends(_state_reader)]
