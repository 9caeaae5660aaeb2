"""The places for sessions: who may have one now, and who waits for one."""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass
from typing import Final

from app.problems import AtCapacity, TicketNotFound, TooManySessions
from app.sessions.clock import SessionClock
from app.sessions.live import AvatarSession, LiveSessions
from app.sessions.waiting_room import Ticket, WaitingRoom
from app.settings import Settings

RETRY_AFTER_SECONDS: Final = 5

NOBODY: Final = ""
"""The owner of what is reserved for a session that no visitor will get."""

LATELY: Final = 20
"""Sessions whose length tells how long the next ones may last."""


@dataclass(frozen=True)
class Applicant:
    """Who wants a session. `at_most` bounds their live sessions; None leaves the bound of all.

    `name` is theirs in the line, where each has one place; `called` is what their login calls
    them.
    """

    owner: str
    name: str
    at_most: int | None = None
    may_wait: bool = True
    called: str | None = None


@dataclass(frozen=True)
class Waiting:
    """A place in line, as its holder is told of it.

    `turn_seconds_left` is a number while it is their turn: calling create takes it.
    """

    ticket_id: str
    position: int
    estimated_seconds: int
    turn_seconds_left: int | None


class Places:
    """Gives the places out: each is reserved before Kaltura is asked, so that no rush exceeds them.

    A free place is the next in line's; whoever comes new waits behind.
    """

    def __init__(self, settings: Settings, *, sessions: LiveSessions, clock: SessionClock) -> None:
        self.capacity = settings.max_concurrent_sessions
        self.waiting_capacity = settings.max_waiting
        self._typical_seconds = settings.session_max_seconds / 2
        self._sessions = sessions
        self._clock = clock
        self._room = WaitingRoom(size=settings.max_waiting, clock=clock.running)
        self._reserved: Counter[str] = Counter()
        self._lengths: deque[float] = deque(maxlen=LATELY)
        self._full_at: tuple[int, float] | None = None
        self._changed = asyncio.Event()
        self._taking = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """How many are in line."""
        return len(self._room)

    async def take(self, applicant: Applicant) -> Waiting | None:
        """Reserve a place, or wait in line for one.

        Raises `TooManySessions`, or `AtCapacity` for whom there is no place in the line either.
        """
        async with self._taking:
            return await self._take(applicant)

    async def _take(self, applicant: Applicant) -> Waiting | None:
        sessions = await self._sessions.all()
        mine = sum(s.owner == applicant.owner and s.ended is None for s in sessions)
        mine += self._reserved[applicant.owner]
        if applicant.at_most is not None and mine >= applicant.at_most:
            raise TooManySessions(retry_after=RETRY_AFTER_SECONDS)
        await self.advance()
        free = self._free(sessions)
        ticket = self._room.ticket_of(applicant.name)
        if ticket is None and free <= len(self._room):
            ticket = self._wait(applicant)
        if ticket is not None:
            if ticket.called_at is None:
                self._room.asked(ticket)
                return self._told(ticket, sessions)
            self._room.leave(ticket)
        self._reserved[applicant.owner] += 1
        return None

    def release(self, owner: str) -> None:
        """Give back a reservation: it has become a session, or come to nothing."""
        self._reserved -= Counter({owner: 1})

    def reserve_for_nobody(self) -> None:
        """Keep a place for a session that may still be opened, after its visitor was refused.

        It is nobody's, so the visitor may ask again. Give it back with `release(NOBODY)`.
        """
        self._reserved[NOBODY] += 1

    async def full(self, applicant: Applicant, retry_after: int) -> Waiting | None:
        """Kaltura has no room for one more: wait as the first in line.

        Until one of ours ends, or `retry_after` seconds have gone by, there are only as many
        places as we have sessions. None when we have none: then none of ours could make room.
        """
        sessions = [s for s in await self._sessions.all() if not s.is_elsewhere]
        if not sessions or not applicant.may_wait or self._room.is_full:
            return None
        self._full_at = (len(sessions), self._clock() + retry_after)
        ticket = self._room.ticket_of(applicant.name)
        if ticket is None:
            ticket = self._room.join(applicant.name, applicant.owner, first=True)
        return self._told(ticket, sessions)

    async def freed(self, session: AvatarSession) -> None:
        """A session is over upstream, so its place is the next one's."""
        if session.ended_at is not None:
            self._lengths.append(session.ended_at - session.opened_at)
        await self.advance()

    async def advance(self) -> None:
        """Let the line move on: the late and the gone lose their place, the next are called."""
        if self._room.advance(self._free(await self._sessions.all())):
            self._move()

    async def has_place(self, applicant: Applicant) -> bool:
        """Whether they are in line, and have not missed their turn."""
        await self.advance()
        return self._room.ticket_of(applicant.name) is not None

    # What the holder of a ticket asks

    def owner_of(self, ticket_id: str) -> str:
        """Who waits with this ticket; raises `TicketNotFound`."""
        return self._ticket(ticket_id).owner

    async def ask(self, ticket_id: str, wait_seconds: float) -> Waiting:
        """A place in line, as soon as it is another, or after `wait_seconds`.

        Raises `TicketNotFound`.
        """
        await self.advance()
        told = before = await self._asked(ticket_id)
        deadline = asyncio.get_running_loop().time() + wait_seconds
        while told.position == before.position and told.turn_seconds_left is None:
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                return await self._asked(ticket_id)
            told = await self._asked(ticket_id)
        return told

    async def leave(self, ticket_id: str) -> None:
        """Give up a place in line; harmless when it is given up already."""
        ticket = self._room.ticket(ticket_id)
        if ticket is not None:
            self._room.leave(ticket)
            self._move()
            await self.advance()

    async def _asked(self, ticket_id: str) -> Waiting:
        ticket = self._ticket(ticket_id)
        self._room.asked(ticket)
        return self._told(ticket, await self._sessions.all())

    def _ticket(self, ticket_id: str) -> Ticket:
        ticket = self._room.ticket(ticket_id)
        if ticket is None:
            raise TicketNotFound
        return ticket

    def _wait(self, applicant: Applicant) -> Ticket:
        if self._room.is_full or not applicant.may_wait:
            raise AtCapacity(retry_after=RETRY_AFTER_SECONDS)
        return self._room.join(applicant.name, applicant.owner)

    def _move(self) -> None:
        """Wake everyone who waits for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _free(self, sessions: list[AvatarSession]) -> int:
        """Places that are neither taken nor reserved; they may be promised to the next in line."""
        limit, now = self.capacity, self._clock()
        if self._full_at is not None and now < self._full_at[1]:
            limit = min(limit, self._full_at[0])
        taken = sum(not session.is_elsewhere for session in sessions)
        return limit - taken - self._reserved.total()

    def _told(self, ticket: Ticket, sessions: list[AvatarSession]) -> Waiting:
        left = self._room.turn_seconds_left(ticket)
        position = self._room.position(ticket)
        return Waiting(
            ticket_id=ticket.ticket_id,
            position=position,
            estimated_seconds=0 if left is not None else self._estimate(position, sessions),
            turn_seconds_left=None if left is None else int(left),
        )

    def _estimate(self, position: int, sessions: list[AvatarSession]) -> int:
        """Seconds until so many places have become free, if sessions last as they lately did."""
        now = self._clock()
        typical = self._typical_seconds
        if self._lengths:
            typical = sum(self._lengths) / len(self._lengths)
        ends = sorted(max(_over_at(s, typical), now) - now for s in sessions)
        if not ends:
            return 1
        rounds, place = divmod(position - 1, len(ends))
        return max(1, round(ends[place] + rounds * typical))


def _over_at(session: AvatarSession, typical_seconds: float) -> float:
    """When its place may become free; Kaltura may have refused to end it, and is asked again."""
    if session.ended is not None:
        return session.end_again_at
    return min(session.opened_at + typical_seconds, session.expires_at)
