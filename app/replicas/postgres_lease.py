"""The lease of a process that shares Postgres with others: a row in the table of replicas."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NoReturn

import structlog
from sqlalchemy import Connection, select, update

from app.db.database import Database
from app.db.postgres import connector, refusal
from app.db.process_locks import new_process_name
from app.problems import ReplicaUnavailable
from app.replicas.dedicated_connection import FAILURES, DedicatedConnection
from app.replicas.lease import (
    RENEW_SECONDS,
    REPLICAS_CHANGED,
    TRUST_SECONDS,
    TTL_SECONDS,
    Lease,
    NotifyHandler,
)
from app.replicas.statements import DATABASE_TIME, IS_ALIVE, notify
from app.replicas.table import REPLICAS, ReplicaState

AGAIN_SECONDS: Final = 0.5
"""Seconds until a renewal that failed is tried again."""

LOOK_SECONDS: Final = 1.0
"""Seconds between two checks for replicas whose lease has run out."""

KEPT_SECONDS: Final = 24 * 3600
"""Seconds for which a dead replica stays in the table; a name without a row is dead too."""

_JOIN: Final = (
    "INSERT INTO replicas (holder, url, version, settings_hash, state, expires_at, stats) "
    "VALUES ($1, $2, $3, $4, $5, extract(epoch FROM clock_timestamp()) + $6::float8, '{}')"
)
_RENEW: Final = (
    "UPDATE replicas SET state = $2, stats = $4, "
    "expires_at = extract(epoch FROM clock_timestamp()) + $3::float8 "
    "WHERE holder = $1 AND state <> 'dead'"
)
_RELEASE: Final = (
    "UPDATE replicas SET state = 'dead', expires_at = extract(epoch FROM clock_timestamp()) "
    "WHERE holder = $1"
)
_FORGET: Final = (
    "DELETE FROM replicas "
    "WHERE state = 'dead' AND expires_at < extract(epoch FROM clock_timestamp()) - $1::float8"
)
_NOTIFY: Final = "SELECT pg_notify($1, $2)"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Replica:
    """The data of a process that its row shows to the others."""

    url: str
    version: str
    settings_hash: str


class PostgresLease(Lease):
    """A lease that is renewed in the table of replicas, and the judgement of others' leases.

    When a renewal finds that others have declared this process dead, the process forgets its
    sessions and goes on under another name: no name is used twice.
    """

    def __init__(
        self,
        database: Database,
        connection: DedicatedConnection,
        replica: Replica,
        monotonic: Callable[[], float],
    ) -> None:
        super().__init__(new_process_name())
        self._database = database
        self._connection = connection
        self._replica = replica
        self._monotonic = monotonic
        self._has_joined = self._is_failing = False
        self._renewed_at = monotonic()
        self._trusted_until = self._judges_from = -math.inf
        self._forget: Callable[[], None] = lambda: None
        self._stats: Callable[[], Awaitable[str]] | None = None
        self._renewing = asyncio.Lock()
        self._woken = asyncio.Event()
        self.on_notify(REPLICAS_CHANGED, lambda _: self._woken.set())

    @property
    def is_declared_dead(self) -> bool:
        """Whether others have ended the lease, and there is no new one yet."""
        return not self._has_joined

    @property
    def age_seconds(self) -> float:
        """Seconds since the last good renewal began."""
        return self._monotonic() - self._renewed_at

    def tell(self, stats: Callable[[], Awaitable[str]]) -> None:
        """Tell other processes what `stats` returns, which is JSON, at each renewal."""
        self._stats = stats

    def is_trusted(self) -> bool:
        """Whether this process certainly still has its sessions."""
        return self._monotonic() < self._trusted_until

    def require_trusted(self) -> None:
        """Raise `ReplicaUnavailable` when other processes may have the sessions of this one."""
        if not self.is_trusted():
            raise ReplicaUnavailable(retry_after=1)

    def on_lost(self, handler: Callable[[], None]) -> None:
        """Call `handler` when other processes have the sessions of this one."""
        self._forget = handler

    def on_notify(self, channel: str, handler: NotifyHandler) -> None:
        """Call `handler` at each notification on a channel, and when some may have been missed."""
        self._connection.on_notify(channel, handler)

    async def wait_for_deaths(self, seconds: float) -> None:
        """Wait until a replica has changed, or for `LOOK_SECONDS`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, LOOK_SECONDS)):
                await self._woken.wait()
        self._woken.clear()

    # Holding the lease

    async def join(self) -> None:
        """Insert this process's row under a new name; raises `FAILURES`.

        The name is new at each try, as one that seemed to fail may have inserted its row.
        """
        self._name = new_process_name()
        begun = self._monotonic()
        told, state = self._replica, self.state.value
        await self._connection.execute(
            _JOIN, self.name, told.url, told.version, told.settings_hash, state, TTL_SECONDS
        )
        self._has_joined = True
        self._note_renewal(begun)
        log.info("joined the replicas", holder=self.name, url=told.url)
        await self._connection.execute(_FORGET, KEPT_SECONDS)

    async def renew(self) -> bool:
        """Renew the lease, or join again after others have ended it; returns whether that worked.

        After a failure nobody is judged for `TTL_SECONDS`: the others may have failed as well, and
        need time to renew their leases when the database is back.
        """
        try:
            async with self._renewing:
                await self._renew_or_join()
        except FAILURES as error:
            self._judges_from = self._monotonic() + TTL_SECONDS
            if not self._is_failing:
                log.warning("the lease can't be renewed", error=type(error).__name__)
            self._is_failing = True
            return False
        if self._is_failing:
            log.warning("the lease is renewed again")
        self._is_failing = False
        return True

    async def _renew_or_join(self) -> None:
        begun = self._monotonic()
        if self._has_joined:
            told = self.state.value, TTL_SECONDS, await self._told()
            if await self._connection.execute(_RENEW, self.name, *told):
                self._note_renewal(begun)
                return
            self._lose()
        await self.join()

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> NoReturn:
        """Renew the lease repeatedly, until cancelled."""
        while True:
            await sleep(RENEW_SECONDS if await self.renew() else AGAIN_SECONDS)

    async def drain(self) -> None:
        """Tell the other processes that this one takes no more sessions."""
        await super().drain()
        await self.renew()
        await self._notify()

    async def leave(self) -> None:
        """Give up the lease, so that others take this process's sessions over at once."""
        self._trusted_until = -math.inf
        try:
            await self._connection.execute(_RELEASE, self.name)
            await self._notify()
        except FAILURES as error:
            log.warning("the lease could not be given up", error=type(error).__name__)

    def _lose(self) -> None:
        log.error("declared dead: other replicas have the sessions now", holder=self.name)
        self._has_joined = False
        self.losses += 1
        self._trusted_until = -math.inf
        self._judges_from = self._monotonic() + TTL_SECONDS
        # Renamed at once, so that work still under way is recognised by its old name.
        self._name = new_process_name()
        self._forget()

    def _note_renewal(self, begun: float) -> None:
        if begun >= self._trusted_until > -math.inf:
            # The cause of this pause may have kept other processes from renewing too.
            self._judges_from = begun + TTL_SECONDS
        self._trusted_until = begun + TRUST_SECONDS
        self._renewed_at = begun

    async def _told(self) -> str:
        """The stats for other processes; an error in them must not cost the lease."""
        try:
            return "{}" if self._stats is None else await self._stats()
        except Exception:
            log.exception("other replicas can't be told of this one")
            return "{}"

    async def _notify(self) -> None:
        with contextlib.suppress(*FAILURES):
            await self._connection.execute(_NOTIFY, REPLICAS_CHANGED, self.name)

    # Judging others

    def declare_dead(self, connection: Connection) -> None:
        """Declare replicas dead whose lease has run out, as part of a transaction.

        Of several processes that do so at once, one hits the row. Nobody is judged while this
        process may be the one that is cut off.
        """
        if not self.is_trusted() or self._monotonic() < self._judges_from:
            return
        dead = connection.execute(
            update(REPLICAS)
            .where(
                IS_ALIVE,
                REPLICAS.c.holder != self.name,
                REPLICAS.c.expires_at < DATABASE_TIME,
            )
            .values(state=ReplicaState.DEAD.value)
            .returning(REPLICAS.c.holder)
        ).scalars()
        for holder in dead:
            log.warning("a replica is declared dead", holder=holder)
            notify(connection, REPLICAS_CHANGED, holder)

    # The protocol `ProcessLocks`, for readers of rows that processes have written

    async def acquire(self) -> None:
        """Do nothing: `run` keeps the lease."""

    async def is_held(self, name: str) -> bool:
        """Whether a process has not been declared dead."""
        query = select(REPLICAS.c.holder).where(REPLICAS.c.holder == name, IS_ALIVE)
        return bool(await self._database.read(query))

    def release(self) -> None:
        """Do nothing: `leave` has given up the lease."""


@contextlib.asynccontextmanager
async def postgres_lease(
    database: Database,
    url: str,
    replica_of: Callable[[str], Replica],
    monotonic: Callable[[], float],
) -> AsyncIterator[PostgresLease]:
    """Join the replicas on the Postgres at `url` for the block, and leave them at its end.

    `replica_of` is given this machine's address towards Postgres. Raises `SettingsError` when the
    start fails.
    """
    connection = DedicatedConnection(connector(url, seconds=RENEW_SECONDS), seconds=RENEW_SECONDS)
    try:
        replica = replica_of(await connection.local_address())
        lease = PostgresLease(database, connection, replica, monotonic)
        await lease.join()
    except FAILURES as error:
        connection.close()
        raise refusal(error) from None
    database.process_locks = lease
    renewing = asyncio.create_task(lease.run())
    try:
        yield lease
    finally:
        renewing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await renewing
        await lease.leave()
        connection.close()
