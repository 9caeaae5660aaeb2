"""The state of capacity: places taken and visitors in line; and the protocol of its store."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from app.sessions.capacity.waiting_room import WaitingRoom

Result = TypeVar("Result")


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
    origin_key: str | None = None
    """`IdempotencyRecord.key` of the request; None without an Idempotency-Key."""


class Reservation(Protocol):
    """A place that is taken for a session which is being opened."""

    requester: Requester

    @property
    def opening_id(self) -> str | None:
        """The id of the row that the session's own row replaces; None where there is none."""

    def fulfil(self) -> None:
        """Leave the place to the session that was opened."""

    async def release(self) -> None:
        """Give the place back: no session was opened."""

    async def disown(self) -> None:
        """Keep the place without an owner, who got an error; Kaltura may still open the session."""


@dataclass(frozen=True)
class KalturaLimit:
    """The number of sessions that Kaltura allows, as far as is known, until a time."""

    sessions: int
    until: float


class CapacityState(Protocol):
    """The state that rules of capacity read and change; times are by the waiting room's clock.

    A place is taken by each open session, and by each reservation.
    """

    waiting_room: WaitingRoom
    kaltura_limit: KalturaLimit | None
    version: int
    """A number that grows when another process changes the line."""

    @property
    def now(self) -> float:
        """The current time."""

    @property
    def sessions(self) -> int:
        """The number of open sessions."""

    @property
    def places(self) -> int:
        """The number of places taken."""

    def places_at(self, address: str | None) -> int:
        """The number of places taken by the visitors of an address."""

    def places_of(self, owner: str) -> int:
        """The number of places taken by an owner, without sessions that have ended here."""

    def is_opened_elsewhere(self, origin_key: str) -> bool:
        """Whether another process opens or has opened a session for the request with this key."""

    def reserve(self, requester: Requester) -> Reservation:
        """Take a place."""


class CapacityStore(Protocol):
    """Keeps the state of capacity.

    Between two reads of the line there is a pause, `rest` times as long as a read takes.
    """

    rest: float

    async def change(self, rule: Callable[[CapacityState], Result]) -> Result:
        """Apply a rule to the state, while nothing else changes it; raises its problem.

        Changes that a rule made before it raised are kept.
        """

    async def read(self, rule: Callable[[CapacityState], Result]) -> Result:
        """Apply a rule that changes nothing; others may change the state meanwhile."""
