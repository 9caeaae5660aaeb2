"""The line before the avatars: first come, first served."""

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.sessions.clock import Clock

TURN_SECONDS: Final = 30
"""A turn that is not taken within this time goes to the next."""

ABSENT_SECONDS: Final = 45
"""Whoever has not asked for so long is taken for gone; a long poll asks every 25 s."""

Left = Callable[[str | None], float]
"""How many more places the visitors of an address may have; None is an address that is not known.
"""


def no_share(_: str | None) -> float:
    """Let the visitors of any address have every place."""
    return float("inf")


@dataclass
class Ticket:
    """A place in line; times are those of the room's clock.

    `called_at` is set while it is its turn. `came_back` tells that it had a turn before, which came
    to nothing.
    """

    ticket_id: str
    requester: str
    owner: str
    address: str | None
    asked_at: float
    called_at: float | None = None
    came_back: bool = False


class WaitingRoom:
    """Who waits, in which order, and whose turn it is.

    It knows nothing of sessions: it is told how many places are free, and how many of them are
    left to each address. `clock` gives seconds that stand still while the process does.
    """

    def __init__(self, *, size: int, clock: Clock) -> None:
        self._size = size
        self._clock = clock
        self._line: list[Ticket] = []

    def __len__(self) -> int:
        """How many wait, those whose turn it is included."""
        return len(self._line)

    @property
    def is_full(self) -> bool:
        """Whether nobody else may wait."""
        return len(self._line) >= self._size

    def ticket(self, ticket_id: str) -> Ticket | None:
        """The ticket of this id, if it is in line."""
        asked = ticket_id.encode()
        return next(
            (t for t in self._line if secrets.compare_digest(t.ticket_id.encode(), asked)), None
        )

    def ticket_of(self, requester: str) -> Ticket | None:
        """The ticket of this applicant, who has one place in line."""
        return next((ticket for ticket in self._line if ticket.requester == requester), None)

    @property
    def called(self) -> list[Ticket]:
        """The tickets whose turn it is: each has the promise of a place."""
        return [ticket for ticket in self._line if ticket.called_at is not None]

    def waiting_from(self, address: str) -> int:
        """How many of an address are in line."""
        return sum(ticket.address == address for ticket in self._line)

    def join(
        self, requester: str, owner: str, address: str | None = None, *, first: bool = False
    ) -> Ticket:
        """A new place, at the end of the line or, for someone who had their turn, at its head.

        Those at the head stand in the order in which they came back.
        """
        ticket = Ticket(
            secrets.token_urlsafe(18), requester, owner, address, self._clock(), came_back=first
        )
        behind = sum(other.came_back for other in self._line) if first else len(self._line)
        self._line.insert(behind, ticket)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give the place up."""
        self._line.remove(ticket)

    def asked(self, ticket: Ticket) -> None:
        """Note that its holder is still there."""
        ticket.asked_at = self._clock()

    def position(self, ticket: Ticket, left: Left = no_share) -> int:
        """How many are called up to it, as things stand; 1 is next."""
        callable_now, held_back = self._in_order(left)
        return [*callable_now, *held_back].index(ticket) + 1

    def turn_seconds_left(self, ticket: Ticket) -> float | None:
        """How long its turn still lasts; None while it has not come."""
        if ticket.called_at is None:
            return None
        return ticket.called_at + TURN_SECONDS - self._clock()

    def advance(self, free: int, left: Left = no_share) -> bool:
        """Drop who is gone, and call as many as there are places free.

        A turn whose place is free no more is taken back: it could not be taken. Returns whether
        anything has changed.
        """
        now = self._clock()
        staying = [ticket for ticket in self._line if not _is_over(ticket, now)]
        changed = len(staying) < len(self._line)
        self._line = staying
        callable_now, held_back = self._in_order(left)
        for index, ticket in enumerate([*callable_now, *held_back]):
            is_turn = index < min(free, len(callable_now))
            if is_turn != (ticket.called_at is not None):
                ticket.called_at = now if is_turn else None
                changed = True
        return changed

    def _in_order(self, left: Left) -> tuple[list[Ticket], list[Ticket]]:
        """Who may be called, first come first served, and whose address has its share already."""
        callable_now: list[Ticket] = []
        held_back: list[Ticket] = []
        before: Counter[str | None] = Counter()
        for ticket in self._line:
            may_be_called = before[ticket.address] < left(ticket.address)
            (callable_now if may_be_called else held_back).append(ticket)
            before[ticket.address] += 1
        return callable_now, held_back


def _is_over(ticket: Ticket, now: float) -> bool:
    missed = ticket.called_at is not None and now - ticket.called_at >= TURN_SECONDS
    return missed or now - ticket.asked_at >= ABSENT_SECONDS
