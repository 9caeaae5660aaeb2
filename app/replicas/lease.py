"""The lease by which a process has its sessions: while it is trusted, no other process has them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from app.replicas.table import ReplicaState

TTL_SECONDS: Final = 10.0
"""How long a lease lasts from its renewal, by the database's clock; then others may end it."""

TRUST_SECONDS: Final = 8.0
"""How long the holder trusts its lease, from the moment at which it began to renew it.

The difference to `TTL_SECONDS` is for calls on their way to Kaltura, and for clocks of which one
runs faster.
"""

RENEW_SECONDS: Final = 2.5
"""Seconds between two renewals, and how long one may take."""

REPLICAS_CHANGED: Final = "avatar_broker_replicas"
"""The channel on which a change of the table of replicas is notified."""

SESSIONS_MOVED: Final = "avatar_broker_sessions"
"""The channel on which it is notified that sessions have another holder."""

LINE_CHANGED: Final = "avatar_broker_line"
"""The channel on which it is notified that the line of the waiting room has changed."""

NotifyHandler = Callable[[str], None]
"""Takes the payload of a notification; an empty one says that notifications may be missing."""


class Lease:
    """The lease of the only process on its database, as with SQLite; it never runs out."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._state = ReplicaState.UP
        self.losses = 0
        """How often other processes got the sessions of this one."""

    @property
    def name(self) -> str:
        """The random name of this process, which rows have in their column `holder`."""
        return self._name

    @property
    def state(self) -> ReplicaState:
        """Whether this process takes new sessions."""
        return self._state

    @property
    def is_declared_dead(self) -> bool:
        """Whether others have ended the lease, and there is no new one yet."""
        return False

    @property
    def age_seconds(self) -> float:
        """Seconds since the lease was renewed; always 0 where there is nothing to renew."""
        return 0.0

    def tell(self, stats: Callable[[], Awaitable[str]]) -> None:
        """Tell other processes what `stats` returns, which is JSON, at each renewal."""

    def is_trusted(self) -> bool:
        """Whether this process certainly still has its sessions."""
        return True

    def require_trusted(self) -> None:
        """Raise `ReplicaUnavailable` when other processes may have the sessions of this one."""

    async def drain(self) -> None:
        """Tell the other processes that this one takes no more sessions."""
        self._state = ReplicaState.DRAINING

    def on_lost(self, handler: Callable[[], None]) -> None:
        """Call `handler` when other processes have the sessions of this one.

        `handler` must forget them. It is called once for each loss, when `name` is new already.
        """

    def on_notify(self, channel: str, handler: NotifyHandler) -> None:
        """Call `handler` at each notification on a channel, and when some may have been missed."""

    async def wait_for_deaths(self, seconds: float) -> None:
        """Wait until it is time to look for sessions of dead processes: after `seconds` at most."""
        await asyncio.sleep(seconds)
