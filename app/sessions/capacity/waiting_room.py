"""The line of visitors who wait for a place, served in the order of arrival."""

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from app.sessions.clock import Clock

TURN_SECONDS: Final = 30
"""Seconds within which a turn must be taken; then the place goes to the next in line."""

ABSENT_SECONDS: Final = 45
"""Seconds without a request after which a visitor counts as gone; a long poll asks every 25 s."""

PlacesLeft = Callable[[str | None], float]
"""Function that gives the number of places left to the visitors of an address; None stands for an
address that is not known.
"""


def unlimited(_: str | None) -> float:
    """Leave every place to the visitors of any address."""
    return float("inf")


@dataclass(eq=False, slots=True)
class Ticket:
    """A place in line; its times are seconds of the waiting room's clock.

    `called_at` is set while it is the ticket's turn. `came_back` tells that its holder had a turn
    before, after which no session could be opened.
    """

    ticket_id: str
    key: str
    owner: str
    address: str | None
    last_seen_at: float
    called_at: float | None = None
    came_back: bool = False


class WaitingRoom:
    """Keeps the tickets in line, and decides whose turn it is.

    The class does not know sessions: its caller passes the number of free places, and the number
    left to each address. `clock` gives seconds that do not pass while the process is paused.
    """

    def __init__(
        self,
        *,
        size: int,
        clock: Clock,
        line: Sequence[Ticket] = (),
        new_ticket_id: Callable[[], str] = lambda: secrets.token_urlsafe(18),
    ) -> None:
        self._size = size
        self._clock = clock
        self._new_ticket_id = new_ticket_id
        self._line = list(line)
        self._by_id = {ticket.ticket_id: ticket for ticket in line}
        self._by_key = {ticket.key: ticket for ticket in line}

    def __len__(self) -> int:
        """The number of tickets, including those whose turn it is."""
        return len(self._line)

    @property
    def tickets(self) -> Sequence[Ticket]:
        """The tickets in the order of the line."""
        return self._line

    @property
    def is_full(self) -> bool:
        """Whether the line is full, so that no more tickets are given."""
        return len(self._line) >= self._size

    def ticket(self, ticket_id: str) -> Ticket | None:
        """The ticket with this id; None when it is not in line.

        Ids are found by a keyed hash, so the time taken does not tell how much of an id was right.
        """
        return self._by_id.get(ticket_id)

    def ticket_of(self, key: str) -> Ticket | None:
        """The ticket with this key; None when there is none. There is at most one for each key."""
        return self._by_key.get(key)

    @property
    def called(self) -> list[Ticket]:
        """The tickets whose turn it is; a place is kept free for each."""
        return [ticket for ticket in self._line if ticket.called_at is not None]

    def waiting_from(self, address: str) -> int:
        """The number of tickets of visitors of one address."""
        return sum(ticket.address == address for ticket in self._line)

    def join(
        self, key: str, owner: str, address: str | None = None, *, first: bool = False
    ) -> Ticket:
        """Add a ticket at the end of the line, or with `first` ahead of those who had no turn yet.

        `first` is for holders who had a turn; among themselves they keep the order in which they
        came back.
        """
        ticket = Ticket(self._new_ticket_id(), key, owner, address, self._clock(), came_back=first)
        index = sum(other.came_back for other in self._line) if first else len(self._line)
        self._line.insert(index, ticket)
        self._by_id[ticket.ticket_id] = self._by_key[key] = ticket
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Remove a ticket from the line."""
        self._line.remove(ticket)
        del self._by_id[ticket.ticket_id], self._by_key[ticket.key]

    def note_seen(self, ticket: Ticket, at: float | None = None) -> None:
        """Note that a ticket's holder is still there, or was at a time."""
        ticket.last_seen_at = max(ticket.last_seen_at, self._clock() if at is None else at)

    def position(self, ticket: Ticket, left: PlacesLeft = unlimited) -> int:
        """The position of a ticket in the order in which tickets are called; 1 is next."""
        return self.order(left).index(ticket) + 1

    def order(self, left: PlacesLeft = unlimited) -> list[Ticket]:
        """The tickets in the order in which they are called."""
        callable_now, held_back = self._in_order(left)
        return [*callable_now, *held_back]

    def turn_seconds_left(self, ticket: Ticket) -> float | None:
        """Seconds for which a ticket's turn still lasts; None while it is not its turn."""
        if ticket.called_at is None:
            return None
        return ticket.called_at + TURN_SECONDS - self._clock()

    def advance(self, free: int, left: PlacesLeft = unlimited) -> bool:
        """Remove tickets of absent holders and missed turns, and call one for each free place.

        A turn is taken back when its place is no longer free, since it could not be used. Returns
        whether anything has changed.
        """
        now, lost = self._clock(), self._lost()
        for ticket in lost:
            self.leave(ticket)
        misplaced = self._misplaced(free, left)
        for ticket in misplaced:
            ticket.called_at = now if ticket.called_at is None else None
        return bool(lost or misplaced)

    def is_due(self, free: int, left: PlacesLeft = unlimited) -> bool:
        """Whether `advance` would change anything."""
        return bool(self._lost() or self._misplaced(free, left))

    def _lost(self) -> list[Ticket]:
        """The tickets of absent holders and missed turns."""
        now = self._clock()
        return [ticket for ticket in self._line if _is_lost(ticket, now)]

    def _misplaced(self, free: int, left: PlacesLeft) -> list[Ticket]:
        """The tickets that are to be called, or whose turn is to be taken back."""
        callable_now, held_back = self._in_order(left)
        turns = min(free, len(callable_now))
        return [
            ticket
            for index, ticket in enumerate([*callable_now, *held_back])
            if (index < turns) != (ticket.called_at is not None)
        ]

    def _in_order(self, left: PlacesLeft) -> tuple[list[Ticket], list[Ticket]]:
        """The tickets that may be called, and those whose address has its share, both in order."""
        callable_now: list[Ticket] = []
        held_back: list[Ticket] = []
        before: Counter[str | None] = Counter()
        for ticket in self._line:
            may_be_called = before[ticket.address] < left(ticket.address)
            (callable_now if may_be_called else held_back).append(ticket)
            before[ticket.address] += 1
        return callable_now, held_back


def _is_lost(ticket: Ticket, now: float) -> bool:
    missed = ticket.called_at is not None and now - ticket.called_at >= TURN_SECONDS
    return missed or now - ticket.last_seen_at >= ABSENT_SECONDS
