"""Capacity for sessions: reserves places, and lets visitors wait in line for one."""

import asyncio
import contextlib
import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.config.settings import Settings
from app.problems import AtCapacity, RecordUnavailable, TicketNotFound, TooManySessions
from app.sessions.capacity.address_share import share_of
from app.sessions.capacity.state import (
    CapacityState,
    CapacityStore,
    KalturaLimit,
    Requester,
    Reservation,
    Result,
)
from app.sessions.capacity.wait_estimate import WaitEstimate
from app.sessions.capacity.waiting_line import LinePlace, LineSnapshot, WaitingLineReader
from app.sessions.capacity.waiting_room import Ticket
from app.sessions.store.model import AvatarSession

RETRY_AFTER_SECONDS: Final = 5
"""Seconds after which a refused visitor may ask again."""
FRESH_SECONDS: Final = 1.0
"""The greatest age of a position that is told when nothing has changed."""
POSITIONS_PER_SECOND: Final = 250
"""The most visitors a second who are told that they moved up; each then asks again."""
STOPPING_WAIT_SECONDS: Final = 1.0
"""Longest wait for a change while the process stops; without any, pages would ask without a pause.
"""
ADDRESS_SHARE_IS_TAKEN: Final = (
    "As many visitors of your network address have a session, or wait for one, as may from one "
    "address."
)


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


class CapacityManager:
    """Reserves places before Kaltura is asked, so that no rush exceeds the capacity.

    A free place is for the next in line; a new visitor waits at the end. When the visitors of an
    address have their share of the places, visitors of other addresses are called before them.
    """

    def __init__(self, settings: Settings, store: CapacityStore, estimate: WaitEstimate) -> None:
        self.capacity = settings.max_concurrent_sessions
        self.waiting_capacity = settings.max_waiting
        self.waiting = 0
        """The number of tickets in line, when the line was last read."""

        self._max_sessions_per_visitor = settings.max_sessions_per_visitor
        self._store = store
        self._estimate = estimate
        percent = settings.address_share_percent
        self._share = share_of(self.capacity, percent)
        self._line_share = share_of(self.waiting_capacity, percent)
        self._line = WaitingLineReader(self._read_line, rest=store.rest)
        self._seen: dict[str, float] = {}
        """When ticket holders last asked, as far as that is not written yet; by ticket id."""

        self._changed = asyncio.Event()
        self._changed_at = 0.0
        self._has_moved = False
        self._is_stopping = False
        self._version = 0

    def visitor(self, visitor: str) -> Requester:
        """The request of a visitor, whose open sessions are bounded."""
        return Requester(visitor, visitor, at_most=self._max_sessions_per_visitor)

    async def take(self, requester: Requester) -> Reservation | QueuePosition | None:
        """Reserve a place, or return a position in line.

        Returns None when another process opens or has opened a session for the same request.
        Raises `TooManySessions` when the owner has as many sessions as allowed, and `AtCapacity`
        when there is no place in line either.
        """
        return await self._change(lambda state: self._take(state, requester))

    async def kaltura_full(self, requester: Requester, retry_after: int) -> QueuePosition | None:
        """Note that Kaltura refuses more sessions, and put the requester first in line.

        Until a session of this broker ends, or `retry_after` seconds have passed, the number of
        places is the number of sessions open now. Returns None when the requester can't wait, when
        the line is full, and when no session is open that could make room.
        """
        return await self._change(lambda state: self._kaltura_full(state, requester, retry_after))

    async def freed(self, session: AvatarSession) -> None:
        """Note that Kaltura has ended a session, and give its place to the next in line.

        Where that can't be written now, the next sweep does it: the session has ended all the same.
        """
        self._estimate.learn(session)
        with contextlib.suppress(RecordUnavailable):
            await self.advance()

    async def advance(self) -> None:
        """Remove tickets of absent visitors and missed turns, and call the next in line."""
        await self._change(self._advance)

    async def sweep(self) -> None:
        """Advance the line where that is due, and write when ticket holders last asked."""
        if self._seen:
            await self.advance()
        else:
            await self._line_now()

    async def has_place(self, requester: Requester) -> bool:
        """Whether a requester is in line and has not missed the turn."""
        key = requester.ticket_key
        if key in (await self._line.latest()).ticket_keys:
            return True
        return key in (await self._line_now()).ticket_keys

    # Calls by the holder of a ticket

    async def owner_of(self, ticket_id: str) -> str:
        """The owner who waits with a ticket; raises `TicketNotFound`."""
        return _place(await self._line_now(), ticket_id).owner

    async def wait_for_change(self, ticket_id: str, wait_seconds: float) -> QueuePosition:
        """Wait until a position in line changes, or `wait_seconds`, and return it.

        A turn is told at once, a change of position the later the more visitors wait. Raises
        `TicketNotFound`.
        """
        began_at, changed = time.monotonic(), self._changed
        line = await self._line.since(began_at)
        current = before = self._position_in(line, ticket_id)
        self._seen[ticket_id] = line.at
        if self._is_stopping:
            wait_seconds = min(wait_seconds, STOPPING_WAIT_SECONDS)
        while current.turn_seconds_left is None:
            has_moved = current.position != before.position
            seconds = min(wait_seconds, self._pace) if has_moved else wait_seconds
            left = began_at + seconds - time.monotonic()
            if has_moved and left <= 0:
                break
            try:
                async with asyncio.timeout(left):
                    await changed.wait()
            except TimeoutError:
                since = max(began_at, time.monotonic() - FRESH_SECONDS)
                return self._position_in(await self._line.since(since), ticket_id)
            changed = self._changed  # before the read, so that no change during it is missed
            current = self._position_in(await self._line.since(self._changed_at), ticket_id)
            if self._is_stopping:
                break
        return current

    def stop(self) -> None:
        """Answer every call that waits for a change, because the process stops."""
        self._is_stopping = True
        self.notify()

    async def leave(self, ticket_id: str) -> None:
        """Remove a ticket from the line; an unknown ticket is ignored."""

        def rule(state: CapacityState) -> None:
            ticket = state.waiting_room.ticket(ticket_id)
            if ticket is not None:
                state.waiting_room.leave(ticket)
                self._has_moved = True
                self._advance(state)

        await self._change(rule)

    @property
    def _pace(self) -> float:
        """Seconds to hold back an answer that only tells a new position, and no turn."""
        return self.waiting / POSITIONS_PER_SECOND

    def _position_in(self, line: LineSnapshot, ticket_id: str) -> QueuePosition:
        return self._position(ticket_id, _place(line, ticket_id), line.sessions)

    async def _line_now(self) -> LineSnapshot:
        return await self._line.since(time.monotonic())

    async def _read_line(self) -> LineSnapshot:
        """Read the line; it is locked only when a ticket is to be called or removed."""

        def rule(state: CapacityState) -> LineSnapshot:
            if self._is_new(state):
                self._wake()  # those who wait are told what this read finds
            return self._line_of(state)

        line = await self._store.read(rule)
        return await self._change(self._advanced_line) if line.is_due else line

    async def _change(self, rule: Callable[[CapacityState], Result]) -> Result:
        seen, self._seen = self._seen, {}

        def noted(state: CapacityState) -> Result:
            for ticket_id, at in seen.items():
                ticket = state.waiting_room.ticket(ticket_id)
                if ticket is not None:
                    state.waiting_room.note_seen(ticket, at)
            self._has_moved |= self._is_new(state)
            try:
                return rule(state)
            finally:
                self.waiting = len(state.waiting_room)

        try:
            return await self._store.change(noted)
        except RecordUnavailable:
            self._seen = seen | self._seen
            raise
        finally:
            if self._has_moved:  # only now can others read it
                self._has_moved = False
                self.notify()

    def _is_new(self, state: CapacityState) -> bool:
        """Whether another process has changed the line since this one last read it."""
        known, self._version = self._version, max(self._version, state.version)
        return state.version > known

    def notify(self) -> None:
        """Wake every call that waits for a change of its position."""
        self._changed_at = time.monotonic()
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # The rules

    def _take(
        self, state: CapacityState, requester: Requester
    ) -> Reservation | QueuePosition | None:
        room = state.waiting_room
        if requester.origin_key is not None and state.is_opened_elsewhere(requester.origin_key):
            return None
        owned = state.places_of(requester.owner)
        if requester.at_most is not None and owned >= requester.at_most:
            raise TooManySessions(retry_after=RETRY_AFTER_SECONDS)
        ticket = room.ticket_of(requester.ticket_key)
        if ticket is not None:
            ticket.address = requester.address  # the visitor may have changed networks
        self._advance(state)
        ticket = room.ticket_of(requester.ticket_key)
        if ticket is None and not self._has_free_place(state, requester):
            ticket = self._join_line(state, requester)
        if ticket is not None:
            if ticket.called_at is None:
                room.note_seen(ticket)
                return self._position_of(state, ticket)
            room.leave(ticket)
        return state.reserve(requester)

    def _kaltura_full(
        self, state: CapacityState, requester: Requester, retry_after: int
    ) -> QueuePosition | None:
        room = state.waiting_room
        if not state.sessions or not requester.may_wait or room.is_full:
            return None
        state.kaltura_limit = KalturaLimit(state.sessions, state.now + retry_after)
        ticket = room.ticket_of(requester.ticket_key)
        if ticket is None:
            ticket = room.join(requester.ticket_key, requester.owner, requester.address, first=True)
        return self._position_of(state, ticket)

    def _advance(self, state: CapacityState) -> None:
        left = functools.partial(self._places_left, state)
        self._has_moved |= state.waiting_room.advance(self._free(state), left)

    def _join_line(self, state: CapacityState, requester: Requester) -> Ticket:
        room = state.waiting_room
        address, share = requester.address, self._line_share
        share_is_taken = (
            address is not None and share is not None and room.waiting_from(address) >= share
        )
        if room.is_full or not requester.may_wait or share_is_taken:
            others_have_places = share_is_taken or self._free(state) > len(room.called)
            raise AtCapacity(
                ADDRESS_SHARE_IS_TAKEN if others_have_places else None,
                retry_after=RETRY_AFTER_SECONDS,
            )
        return room.join(requester.ticket_key, requester.owner, address)

    def _has_free_place(self, state: CapacityState, requester: Requester) -> bool:
        """Whether a place is free for a new visitor, and no ticket in line is called for it."""
        called = state.waiting_room.called
        promised = sum(ticket.address == requester.address for ticket in called)
        left = self._places_left(state, requester.address)
        return self._free(state) > len(called) and left > promised

    def _free(self, state: CapacityState) -> int:
        """The number of places that are not taken; tickets may be called for some."""
        places, limit = self.capacity, state.kaltura_limit
        if limit is not None and state.now < limit.until:
            places = min(places, limit.sessions)
        return places - state.places

    def _places_left(self, state: CapacityState, address: str | None) -> float:
        """The number of places left to the visitors of an address."""
        if self._share is None or address is None:
            return math.inf
        return self._share - state.places_at(address)

    def _advanced_line(self, state: CapacityState) -> LineSnapshot:
        self._advance(state)
        return self._line_of(state)

    def _line_of(self, state: CapacityState) -> LineSnapshot:
        room, left = state.waiting_room, functools.partial(self._places_left, state)
        self.waiting = len(room)
        places = {
            ticket.ticket_id: LinePlace(position, ticket.owner, room.turn_seconds_left(ticket))
            for position, ticket in enumerate(room.order(left), 1)
        }
        return LineSnapshot(
            at=state.now,
            places=places,
            ticket_keys={ticket.key for ticket in room.tickets},
            sessions=state.sessions,
            is_due=room.is_due(self._free(state), left),
        )

    def _position_of(self, state: CapacityState, ticket: Ticket) -> QueuePosition:
        room = state.waiting_room
        position = room.position(ticket, functools.partial(self._places_left, state))
        place = LinePlace(position, ticket.owner, room.turn_seconds_left(ticket))
        return self._position(ticket.ticket_id, place, state.sessions)

    def _position(self, ticket_id: str, place: LinePlace, sessions: int) -> QueuePosition:
        position, left = place.position, place.turn_seconds_left
        return QueuePosition(
            ticket_id=ticket_id,
            position=position,
            estimated_seconds=0 if left is not None else self._estimate.seconds(position, sessions),
            turn_seconds_left=None if left is None else int(left),
        )


def _place(line: LineSnapshot, ticket_id: str) -> LinePlace:
    place = line.places.get(ticket_id)
    if place is None:
        raise TicketNotFound
    return place
