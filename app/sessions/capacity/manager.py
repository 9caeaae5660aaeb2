"""Capacity for sessions: reserves places, and lets visitors wait in line for one."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.config.settings import Settings
from app.problems import AtCapacity, TicketNotFound, TooManySessions
from app.sessions.capacity.address_share import share_of
from app.sessions.capacity.wait_estimate import WaitEstimate
from app.sessions.capacity.waiting_room import Ticket, WaitingRoom
from app.sessions.clock import SessionClock
from app.sessions.registry import SessionRegistry
from app.sessions.store.model import AvatarSession
from app.sessions.store.session_index import KeyCounts

RETRY_AFTER_SECONDS: Final = 5
"""Seconds after which a refused visitor may ask again."""
ADDRESS_SHARE_IS_TAKEN: Final = (
    "As many visitors of your network address have a session, or wait for one, as may from one "
    "address."
)


@dataclass(frozen=True)
class Requester:
    """A request for a place. `at_most` bounds the owner's open sessions; None sets no such bound.

    Requests with the same `ticket_key` share one place in line. `address` is the visitor's network
    address; None leaves the request out of every address's share. `display_name` is the visitor's
    name at the login.
    """

    owner: str
    ticket_key: str
    at_most: int | None = None
    address: str | None = None
    may_wait: bool = True
    display_name: str | None = None


@dataclass(frozen=True)
class QueuePosition:
    """A ticket's position in line, as its holder sees it.

    `turn_seconds_left` is a number while it is the holder's turn, and None before. The holder takes
    the turn by calling create.
    """

    ticket_id: str
    position: int
    estimated_seconds: int
    turn_seconds_left: int | None


class Reservations:
    """The places that are taken for sessions which are being opened."""

    def __init__(self) -> None:
        self.total = 0
        """The number of reserved places."""

        self._of_owner = KeyCounts()
        self._at_address = KeyCounts()

    def of(self, owner: str) -> int:
        """The number of places reserved for an owner."""
        return self._of_owner.of(owner)

    def at(self, address: str | None) -> int:
        """The number of places reserved for the visitors of an address."""
        return self._at_address.of(address)

    def add(self, requester: Requester) -> None:
        """Reserve a place."""
        self._count(requester, 1)

    def remove(self, requester: Requester) -> None:
        """Give back a place that was reserved."""
        self._count(requester, -1)

    def _count(self, requester: Requester, number: int) -> None:
        self.total += number
        self._of_owner.add(requester.owner, number)
        self._at_address.add(requester.address, number)


class CapacityManager:
    """Reserves places before Kaltura is asked, so that no rush exceeds the capacity.

    A free place is for the next in line; a new visitor waits at the end. When the visitors of an
    address have their share of the places, visitors of other addresses are called before them.
    `late_creates` gives the number of sessions that may still be opened after their visitors got an
    error; each takes up a place until its outcome is known.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        registry: SessionRegistry,
        clock: SessionClock,
        late_creates: Callable[[], int],
    ) -> None:
        self.capacity = settings.max_concurrent_sessions
        self.waiting_capacity = settings.max_waiting
        self._index = registry.index
        self._estimate = WaitEstimate(
            registry.index,
            max_seconds=settings.session_max_seconds,
            idle_seconds=settings.session_idle_seconds,
            clock=clock,
        )
        self._clock = clock
        self._late_creates = late_creates
        self._waiting_room = WaitingRoom(size=settings.max_waiting, clock=clock.running)
        percent = settings.address_share_percent
        self._share = share_of(self.capacity, percent)
        self._line_share = share_of(self.waiting_capacity, percent)
        self._reserved = Reservations()
        self._kaltura_limit: tuple[int, float] | None = None
        self._changed = asyncio.Event()

    @property
    def waiting(self) -> int:
        """The number of tickets in line."""
        return len(self._waiting_room)

    async def take(self, requester: Requester) -> QueuePosition | None:
        """Reserve a place, or return a position in line.

        Raises `TooManySessions` when the owner has as many sessions as allowed, and `AtCapacity`
        when there is no place in line either.
        """
        owned = self._index.live_count_of(requester.owner) + self._reserved.of(requester.owner)
        if requester.at_most is not None and owned >= requester.at_most:
            raise TooManySessions(retry_after=RETRY_AFTER_SECONDS)
        ticket = self._waiting_room.ticket_of(requester.ticket_key)
        if ticket is not None:
            ticket.address = requester.address  # the visitor may have changed networks
        await self.advance()
        ticket = self._waiting_room.ticket_of(requester.ticket_key)
        if ticket is None and not self._has_free_place(requester):
            ticket = self._join_line(requester)
        if ticket is not None:
            if ticket.called_at is None:
                self._waiting_room.note_seen(ticket)
                return self._position_of(ticket)
            self._waiting_room.leave(ticket)
        self._reserved.add(requester)
        return None

    def release(self, requester: Requester) -> None:
        """Give back a reservation, whether a session was opened for it or not."""
        self._reserved.remove(requester)

    async def kaltura_full(self, requester: Requester, retry_after: int) -> QueuePosition | None:
        """Note that Kaltura refuses more sessions, and put the requester first in line.

        Until a session of this broker ends, or `retry_after` seconds have passed, the number of
        places is the number of sessions open now. Returns None when the requester can't wait, when
        the line is full, and when no session is open that could make room.
        """
        places = self._index.places
        if not places or not requester.may_wait or self._waiting_room.is_full:
            return None
        self._kaltura_limit = (places, self._clock() + retry_after)
        ticket = self._waiting_room.ticket_of(requester.ticket_key)
        if ticket is None:
            ticket = self._waiting_room.join(
                requester.ticket_key, requester.owner, requester.address, first=True
            )
        return self._position_of(ticket)

    async def freed(self, session: AvatarSession) -> None:
        """Note that Kaltura has ended a session, and give its place to the next in line."""
        self._estimate.learn(session)
        await self.advance()

    async def advance(self) -> None:
        """Remove tickets of absent visitors and missed turns, and call the next in line."""
        if self._waiting_room.advance(self._free(), self._places_left):
            self._notify()

    async def has_place(self, requester: Requester) -> bool:
        """Whether a requester is in line and has not missed the turn."""
        await self.advance()
        return self._waiting_room.ticket_of(requester.ticket_key) is not None

    # Calls by the holder of a ticket

    def owner_of(self, ticket_id: str) -> str:
        """The owner who waits with a ticket; raises `TicketNotFound`."""
        return self._ticket(ticket_id).owner

    async def wait_for_change(self, ticket_id: str, wait_seconds: float) -> QueuePosition:
        """Wait until a position in line changes, or `wait_seconds`, and return it.

        Raises `TicketNotFound`.
        """
        await self.advance()
        current = before = await self._current_position(ticket_id)
        deadline = asyncio.get_running_loop().time() + wait_seconds
        while current.position == before.position and current.turn_seconds_left is None:
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                return await self._current_position(ticket_id)
            current = await self._current_position(ticket_id)
        return current

    async def leave(self, ticket_id: str) -> None:
        """Remove a ticket from the line; an unknown ticket is ignored."""
        ticket = self._waiting_room.ticket(ticket_id)
        if ticket is not None:
            self._waiting_room.leave(ticket)
            self._notify()
            await self.advance()

    async def _current_position(self, ticket_id: str) -> QueuePosition:
        ticket = self._ticket(ticket_id)
        self._waiting_room.note_seen(ticket)
        return self._position_of(ticket)

    def _ticket(self, ticket_id: str) -> Ticket:
        ticket = self._waiting_room.ticket(ticket_id)
        if ticket is None:
            raise TicketNotFound
        return ticket

    def _join_line(self, requester: Requester) -> Ticket:
        address, share = requester.address, self._line_share
        share_is_taken = (
            address is not None
            and share is not None
            and self._waiting_room.waiting_from(address) >= share
        )
        if self._waiting_room.is_full or not requester.may_wait or share_is_taken:
            others_have_places = share_is_taken or self._free() > len(self._waiting_room.called)
            raise AtCapacity(
                ADDRESS_SHARE_IS_TAKEN if others_have_places else None,
                retry_after=RETRY_AFTER_SECONDS,
            )
        return self._waiting_room.join(requester.ticket_key, requester.owner, address)

    def _has_free_place(self, requester: Requester) -> bool:
        """Whether a place is free for a new visitor, and no ticket in line is called for it."""
        called = self._waiting_room.called
        promised = sum(ticket.address == requester.address for ticket in called)
        return self._free() > len(called) and self._places_left(requester.address) > promised

    def _notify(self) -> None:
        """Wake every call that waits for a change of its position."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _free(self) -> int:
        """The number of places neither taken nor reserved; tickets may be called for some."""
        limit, now = self.capacity, self._clock()
        if self._kaltura_limit is not None and now < self._kaltura_limit[1]:
            limit = min(limit, self._kaltura_limit[0])
        return limit - self._index.places - self._reserved.total - self._late_creates()

    def _places_left(self, address: str | None) -> float:
        """The number of places left to the visitors of an address."""
        if self._share is None or address is None:
            return math.inf
        return self._share - self._index.places_at(address) - self._reserved.at(address)

    def _position_of(self, ticket: Ticket) -> QueuePosition:
        left = self._waiting_room.turn_seconds_left(ticket)
        position = self._waiting_room.position(ticket, self._places_left)
        return QueuePosition(
            ticket_id=ticket.ticket_id,
            position=position,
            estimated_seconds=0 if left is not None else self._estimate.seconds(position),
            turn_seconds_left=None if left is None else int(left),
        )
