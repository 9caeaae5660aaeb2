"""The places for sessions: who may have one now, and who waits for one."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.config.settings import Settings
from app.problems import AtCapacity, TicketNotFound, TooManySessions
from app.sessions.capacity.address_share import share_of
from app.sessions.capacity.wait_estimate import WaitEstimate
from app.sessions.capacity.waiting_room import Left, Ticket, WaitingRoom, no_share
from app.sessions.clock import SessionClock
from app.sessions.registry import SessionRegistry
from app.sessions.store.model import AvatarSession

RETRY_AFTER_SECONDS: Final = 5
OF_THE_ADDRESS: Final = (
    "As many visitors of your network address have a session, or wait for one, as may from one "
    "address."
)


@dataclass(frozen=True)
class Requester:
    """Who wants a session. `at_most` bounds their live sessions; None leaves the bound of all.

    `name` is theirs in the line, where each has one place; `called` is what their login calls
    them. `address` is where they call from; None leaves it out of every address's share.
    """

    owner: str
    name: str
    at_most: int | None = None
    address: str | None = None
    may_wait: bool = True
    called: str | None = None


@dataclass(frozen=True)
class QueuePosition:
    """A place in line, as its holder is told of it.

    `turn_seconds_left` is a number while it is their turn: calling create takes it.
    """

    ticket_id: str
    position: int
    estimated_seconds: int
    turn_seconds_left: int | None


class CapacityManager:
    """Gives the places out: each is reserved before Kaltura is asked, so that no rush exceeds them.

    A free place is the next in line's; whoever comes new waits behind. While the visitors of an
    address have their share of the places, those of others are called before their next.
    `late_creates` tells how many sessions may still be opened that no visitor will get: each keeps
    its place until it is known what came of it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        registry: SessionRegistry,
        clock: SessionClock,
        late_creates: Callable[[], int] = lambda: 0,
    ) -> None:
        self.capacity = settings.max_concurrent_sessions
        self.waiting_capacity = settings.max_waiting
        self._estimate = WaitEstimate(
            max_seconds=settings.session_max_seconds,
            idle_seconds=settings.session_idle_seconds,
            clock=clock,
        )
        self._registry = registry
        self._clock = clock
        self._late_creates = late_creates
        self._room = WaitingRoom(size=settings.max_waiting, clock=clock.running)
        percent = settings.address_share_percent
        self._share = share_of(self.capacity, percent)
        self._share_of_line = share_of(self.waiting_capacity, percent)
        self._reserved: Counter[Requester] = Counter()
        self._full_at: tuple[int, float] | None = None
        self._changed = asyncio.Event()
        self._taking = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """How many are in line."""
        return len(self._room)

    async def take(self, requester: Requester) -> QueuePosition | None:
        """Reserve a place, or wait in line for one.

        Raises `TooManySessions`, or `AtCapacity` for whom there is no place in the line either.
        """
        async with self._taking:
            return await self._take(requester)

    async def _take(self, requester: Requester) -> QueuePosition | None:
        sessions = self._registry.sessions()
        mine = sum(s.owner == requester.owner and s.ended is None for s in sessions)
        mine += sum(n for one, n in self._reserved.items() if one.owner == requester.owner)
        if requester.at_most is not None and mine >= requester.at_most:
            raise TooManySessions(retry_after=RETRY_AFTER_SECONDS)
        ticket = self._room.ticket_of(requester.name)
        if ticket is not None:
            ticket.address = requester.address  # who has moved counts where they are now
        await self.advance()
        ticket = self._room.ticket_of(requester.name)
        if ticket is None and not self._has_room(requester, sessions):
            ticket = self._wait(requester, sessions)
        if ticket is not None:
            if ticket.called_at is None:
                self._room.asked(ticket)
                return self._told(ticket, sessions)
            self._room.leave(ticket)
        self._reserved[requester] += 1
        return None

    def release(self, requester: Requester) -> None:
        """Give back a reservation: it has become a session, or come to nothing."""
        self._reserved -= Counter({requester: 1})

    async def full(self, requester: Requester, retry_after: int) -> QueuePosition | None:
        """Kaltura has no room for one more: wait as the first in line.

        Until one of ours ends, or `retry_after` seconds have gone by, there are only as many
        places as we have sessions. None when we have none: then none of ours could make room.
        """
        sessions = [s for s in self._registry.sessions() if not s.is_elsewhere]
        if not sessions or not requester.may_wait or self._room.is_full:
            return None
        self._full_at = (len(sessions), self._clock() + retry_after)
        ticket = self._room.ticket_of(requester.name)
        if ticket is None:
            ticket = self._room.join(requester.name, requester.owner, requester.address, first=True)
        return self._told(ticket, sessions)

    async def freed(self, session: AvatarSession) -> None:
        """A session is over upstream, so its place is the next one's."""
        self._estimate.learn(session)
        await self.advance()

    async def advance(self) -> None:
        """Let the line move on: the late and the gone lose their place, the next are called."""
        sessions = self._registry.sessions()
        if self._room.advance(self._free(sessions), self._left(sessions)):
            self._move()

    async def has_place(self, requester: Requester) -> bool:
        """Whether they are in line, and have not missed their turn."""
        await self.advance()
        return self._room.ticket_of(requester.name) is not None

    # What the holder of a ticket asks

    def owner_of(self, ticket_id: str) -> str:
        """Who waits with this ticket; raises `TicketNotFound`."""
        return self._ticket(ticket_id).owner

    async def ask(self, ticket_id: str, wait_seconds: float) -> QueuePosition:
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

    async def _asked(self, ticket_id: str) -> QueuePosition:
        ticket = self._ticket(ticket_id)
        self._room.asked(ticket)
        return self._told(ticket, self._registry.sessions())

    def _ticket(self, ticket_id: str) -> Ticket:
        ticket = self._room.ticket(ticket_id)
        if ticket is None:
            raise TicketNotFound
        return ticket

    def _wait(self, requester: Requester, sessions: list[AvatarSession]) -> Ticket:
        address, share = requester.address, self._share_of_line
        line_is_theirs = (
            address is not None and share is not None and self._room.waiting_from(address) >= share
        )
        if self._room.is_full or not requester.may_wait or line_is_theirs:
            others_have_room = line_is_theirs or self._free(sessions) > len(self._room.called)
            raise AtCapacity(
                OF_THE_ADDRESS if others_have_room else None, retry_after=RETRY_AFTER_SECONDS
            )
        return self._room.join(requester.name, requester.owner, address)

    def _has_room(self, requester: Requester, sessions: list[AvatarSession]) -> bool:
        """Whether there is a place for someone new that is promised to nobody in line."""
        called = self._room.called
        promised = sum(ticket.address == requester.address for ticket in called)
        return (
            self._free(sessions) > len(called)
            and self._left(sessions)(requester.address) > promised
        )

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
        return limit - taken - self._reserved.total() - self._late_creates()

    def _left(self, sessions: list[AvatarSession]) -> Left:
        """How many more places each address may have, those aside that are promised in line."""
        share = self._share
        if share is None:
            return no_share
        taken = Counter(session.address for session in sessions if not session.is_elsewhere)
        for requester, count in self._reserved.items():
            taken[requester.address] += count
        return lambda address: no_share(address) if address is None else share - taken[address]

    def _told(self, ticket: Ticket, sessions: list[AvatarSession]) -> QueuePosition:
        left = self._room.turn_seconds_left(ticket)
        position = self._room.position(ticket, self._left(sessions))
        ours = (session for session in sessions if not session.is_elsewhere)
        return QueuePosition(
            ticket_id=ticket.ticket_id,
            position=position,
            estimated_seconds=0 if left is not None else self._estimate.seconds(position, ours),
            turn_seconds_left=None if left is None else int(left),
        )
