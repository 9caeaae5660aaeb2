"""Capacity for sessions: reserves places, and lets visitors wait in line for one."""

import asyncio
import contextlib
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.config.settings import Settings
from app.problems import AtCapacity, RecordUnavailable, TicketNotFound, TooManySessions
from app.sessions.capacity.address_share import share_of
from app.sessions.capacity.line_look import Line, LineLook
from app.sessions.capacity.state import (
    CapacityState,
    CapacityStore,
    KalturaLimit,
    Requester,
    Reservation,
    Result,
)
from app.sessions.capacity.wait_estimate import WaitEstimate
from app.sessions.capacity.waiting_room import Ticket
from app.sessions.store.model import AvatarSession

RETRY_AFTER_SECONDS: Final = 5
"""Seconds after which a refused visitor may ask again."""
FRESH_SECONDS: Final = 1.0
"""How old the position may be that is told to one for whom nothing has changed."""
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
        """The number of tickets in line, when it was last looked at."""

        self._max_sessions_per_visitor = settings.max_sessions_per_visitor
        self._store = store
        self._estimate = estimate
        percent = settings.address_share_percent
        self._share = share_of(self.capacity, percent)
        self._line_share = share_of(self.waiting_capacity, percent)
        self._line = LineLook(lambda: self._change(self._line_of))
        self._changed = asyncio.Event()
        self._changed_at = 0.0
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

    async def has_place(self, requester: Requester) -> bool:
        """Whether a requester is in line and has not missed the turn."""

        def rule(state: CapacityState) -> bool:
            self._advance(state)
            return state.waiting_room.ticket_of(requester.ticket_key) is not None

        return await self._change(rule)

    # Calls by the holder of a ticket

    async def owner_of(self, ticket_id: str) -> str:
        """The owner who waits with a ticket; raises `TicketNotFound`."""
        return await self._change(lambda state: _ticket(state, ticket_id).owner)

    async def wait_for_change(self, ticket_id: str, wait_seconds: float) -> QueuePosition:
        """Wait until a position in line changes, or `wait_seconds`, and return it.

        Raises `TicketNotFound`.
        """
        loop, changed = asyncio.get_running_loop(), self._changed
        current = before = await self._change(lambda state: self._seen(state, ticket_id))
        began_at = loop.time()
        if self._is_stopping:
            wait_seconds = min(wait_seconds, STOPPING_WAIT_SECONDS)
        deadline = began_at + wait_seconds
        while current.position == before.position and current.turn_seconds_left is None:
            try:
                async with asyncio.timeout_at(deadline):
                    await changed.wait()
            except TimeoutError:
                return await self._looked_up(ticket_id, max(began_at, loop.time() - FRESH_SECONDS))
            changed = self._changed  # before the look, so that no change during it is missed
            current = await self._looked_up(ticket_id, self._changed_at)
            if self._is_stopping:
                return current
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
                self.notify()
                self._advance(state)

        await self._change(rule)

    async def _looked_up(self, ticket_id: str, since: float) -> QueuePosition:
        """The position as it was at a time of the event loop, or later."""
        line = await self._line.since(since)
        if ticket_id not in line.places:
            raise TicketNotFound
        return self._position(ticket_id, *line.places[ticket_id], line.sessions)

    async def _change(self, rule: Callable[[CapacityState], Result]) -> Result:
        def counted(state: CapacityState) -> Result:
            try:
                return rule(state)
            finally:
                self.waiting = len(state.waiting_room)
                if state.version != self._version:
                    self._version = state.version
                    self.notify()

        return await self._store.change(counted)

    def notify(self) -> None:
        """Wake every call that waits for a change of its position."""
        self._changed_at = asyncio.get_running_loop().time()
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
        if state.waiting_room.advance(self._free(state), left):
            self.notify()

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

    def _seen(self, state: CapacityState, ticket_id: str) -> QueuePosition:
        self._advance(state)
        ticket = _ticket(state, ticket_id)
        state.waiting_room.note_seen(ticket)
        return self._position_of(state, ticket)

    def _line_of(self, state: CapacityState) -> Line:
        room = state.waiting_room
        order = room.order(functools.partial(self._places_left, state))
        places = {
            ticket.ticket_id: (position, room.turn_seconds_left(ticket))
            for position, ticket in enumerate(order, 1)
        }
        return Line(places, state.sessions)

    def _position_of(self, state: CapacityState, ticket: Ticket) -> QueuePosition:
        room = state.waiting_room
        position = room.position(ticket, functools.partial(self._places_left, state))
        left = room.turn_seconds_left(ticket)
        return self._position(ticket.ticket_id, position, left, state.sessions)

    def _position(
        self, ticket_id: str, position: int, turn_seconds_left: float | None, sessions: int
    ) -> QueuePosition:
        is_turn = turn_seconds_left is not None
        return QueuePosition(
            ticket_id=ticket_id,
            position=position,
            estimated_seconds=0 if is_turn else self._estimate.seconds(position, sessions),
            turn_seconds_left=None if turn_seconds_left is None else int(turn_seconds_left),
        )


def _ticket(state: CapacityState, ticket_id: str) -> Ticket:
    ticket = state.waiting_room.ticket(ticket_id)
    if ticket is None:
        raise TicketNotFound
    return ticket
