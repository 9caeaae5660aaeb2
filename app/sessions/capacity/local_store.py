"""The state of capacity of a single process, in its memory."""

from collections.abc import Callable

from app.sessions.capacity.state import CapacityState, KalturaLimit, Requester, Result
from app.sessions.capacity.waiting_room import WaitingRoom
from app.sessions.clock import SessionClock
from app.sessions.store.session_index import KeyCounts, SessionIndex


class LocalCapacity:
    """The state of capacity, and its store: rules don't await, so each has it for itself."""

    rest = 0.0

    def __init__(self, index: SessionIndex, *, max_waiting: int, clock: SessionClock) -> None:
        self._index = index
        self._clock = clock
        self.waiting_room = WaitingRoom(size=max_waiting, clock=clock.running)
        self.kaltura_limit: KalturaLimit | None = None
        self.version = 0
        self._reserved = 0
        self._reserved_of = KeyCounts()
        self._reserved_at = KeyCounts()

    async def change(self, rule: Callable[[CapacityState], Result]) -> Result:
        """Apply a rule, which does not await."""
        return rule(self)

    async def read(self, rule: Callable[[CapacityState], Result]) -> Result:
        """Apply a rule that changes nothing."""
        return rule(self)

    @property
    def now(self) -> float:
        """The clock's `running` seconds."""
        return self._clock.running()

    @property
    def sessions(self) -> int:
        """The number of open sessions."""
        return self._index.places

    @property
    def places(self) -> int:
        """The number of places taken."""
        return self._index.places + self._reserved

    def places_at(self, address: str | None) -> int:
        """The number of places taken by the visitors of an address."""
        return self._index.places_at(address) + self._reserved_at.of(address)

    def places_of(self, owner: str) -> int:
        """The number of places taken by an owner, without sessions that have ended here."""
        return self._index.live_count_of(owner) + self._reserved_of.of(owner)

    def is_opened_elsewhere(self, origin_key: str) -> bool:  # noqa: ARG002 - there is no other process
        """False: there is no other process."""
        return False

    def reserve(self, requester: Requester) -> "LocalReservation":
        """Take a place."""
        return LocalReservation(self, requester)

    def count(self, requester: Requester, number: int) -> None:
        """Add to the number of reserved places."""
        self._reserved += number
        self._reserved_at.add(requester.address, number)

    def count_of(self, owner: str, number: int) -> None:
        """Add to the number of places reserved for an owner."""
        self._reserved_of.add(owner, number)


class LocalReservation:
    """A place that is taken until a session is in the index, or is not opened."""

    opening_id: str | None = None

    def __init__(self, capacity: LocalCapacity, requester: Requester) -> None:
        self._capacity = capacity
        self._is_owned = True
        self.requester = requester
        capacity.count(requester, 1)
        capacity.count_of(requester.owner, 1)

    def fulfil(self) -> None:
        """Give the place back, as the index counts the session from now on."""
        self._give_back()

    async def release(self) -> None:
        """Give the place back."""
        self._give_back()

    async def disown(self) -> None:
        """Keep the place, and no longer count it for its owner."""
        self._capacity.count_of(self.requester.owner, -1)
        self._is_owned = False

    def _give_back(self) -> None:
        self._capacity.count(self.requester, -1)
        if self._is_owned:
            self._capacity.count_of(self.requester.owner, -1)
