"""Rates that several processes count together, in Postgres."""

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from math import floor
from typing import Any, Final, NamedTuple

from limits import RateLimitItem
from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Connection,
    Float,
    Integer,
    Row,
    String,
    Table,
    TextClause,
    delete,
    event,
    text,
)

from app.db.database import METADATA, Database
from app.problems import RecordUnavailable
from app.replicas.statements import DATABASE_TIME

KEPT_SECONDS: Final = 2 * 24 * 3600
"""Seconds for which counts are kept: two windows of the longest rate."""

FORGET_EVERY_SECONDS: Final = 3600.0

RATES: Final = Table(
    "rates",
    METADATA,
    # A keyed digest of the rate and the caller.
    Column("key", String, primary_key=True),
    # The number of the window since 1970, by the database's clock.
    Column("window", BigInteger, primary_key=True, autoincrement=False),
    Column("hits", Integer, nullable=False),
    # When the window began, in seconds since 1970.
    Column("began_at", Float, nullable=False),
)
# A crash of Postgres may forget counts; in return, counting costs no write-ahead log.
_UNLOGGED: Final = DDL("ALTER TABLE rates SET UNLOGGED")  # type: ignore[no-untyped-call] # SQLAlchemy has no types for it
event.listen(RATES, "after_create", _UNLOGGED.execute_if(dialect="postgresql"))

_ASKED: Final = """
    WITH clock AS (SELECT extract(epoch FROM statement_timestamp())::float8 AS now),
    this AS (SELECT now, floor(now / :seconds)::bigint AS number FROM clock),
    asked AS (
        SELECT caller.key, this.now, this.number, coalesce(previous.hits, 0) AS before,
            coalesce(previous.hits, 0) * (this.number + 1 - this.now / :seconds) AS carried
        FROM this
        CROSS JOIN unnest(CAST(:keys AS text[])) AS caller(key)
        LEFT JOIN rates AS previous
            ON previous.key = caller.key AND previous."window" = this.number - 1
    )
"""
"""Each key that is asked about, with the hits of the window before by what is left of it."""

_READ: Final = text(
    _ASKED  # noqa: S608 - our own words
    + """
    SELECT asked.key, asked.now, asked.before, coalesce(current.hits, 0) AS hits
    FROM asked
    LEFT JOIN rates AS current ON current.key = asked.key AND current."window" = asked.number
    """
)

_HIT: Final = text(
    _ASKED  # noqa: S608 - our own words
    + """
    INSERT INTO rates AS current (key, "window", hits, began_at)
    SELECT key, number, 1, number * :seconds FROM asked ORDER BY key
    ON CONFLICT (key, "window") DO UPDATE SET hits = current.hits + 1
        WHERE floor(
            (SELECT carried FROM asked WHERE asked.key = current.key) + current.hits
        ) < :most
    RETURNING key, hits,
        (SELECT now FROM asked WHERE asked.key = current.key) AS now,
        (SELECT before FROM asked WHERE asked.key = current.key) AS before
    """
)
"""Counts each key that has something left, in the order of keys, so that none deadlocks."""


class Window(NamedTuple):
    """The calls of one caller in the window before and in this one, `seconds` long each.

    `fraction` is the part of this window that is over. The calls of the window before count as far
    as it still reaches into the last `seconds`.
    """

    seconds: int
    before: int
    hits: int
    fraction: float

    def remaining(self, limit: int) -> int:
        """The calls that are left."""
        return max(0, limit - floor(self.before * (1 - self.fraction) + self.hits))

    @property
    def seconds_to_more(self) -> float:
        """The seconds until a call more is left, or the window ends."""
        left = (1 - self.fraction) * self.seconds
        return left % (self.seconds / self.before) if self.before else left


class _Refused(Exception):  # noqa: N818 - no error: it rolls the transaction back
    """Raised when a caller has nothing left, so that none is counted."""


class SharedRateCounter:
    """Counts calls in sliding windows, exactly, whichever process they reach."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key

    async def hit(
        self, limit: RateLimitItem, name: str, callers: Sequence[str]
    ) -> Mapping[str, Window] | None:
        """Count a call of every caller; None, and none is counted, when one has nothing left.

        Raises `RecordUnavailable`.
        """

        def work(connection: Connection) -> list[Row[Any]]:
            rows = self._rows(connection, _HIT, limit, keys, most=limit.amount)
            if len(rows) < len(keys):
                raise _Refused
            return rows

        keys = self._keys(limit, name, callers)
        try:
            # One after the other, so that many calls of one caller leave room for other writes.
            return _windows(await self._database.write(work, keys=keys), limit, keys)
        except _Refused:
            return None

    async def read(
        self, limit: RateLimitItem, name: str, callers: Sequence[str]
    ) -> Mapping[str, Window]:
        """The counts of each caller; raises `RecordUnavailable`."""
        keys = self._keys(limit, name, callers)
        rows = await self._database.write(
            lambda connection: self._rows(connection, _READ, limit, keys)
        )
        return _windows(rows, limit, keys)

    async def run(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Delete old counts now and then, until cancelled."""
        while True:
            with contextlib.suppress(RecordUnavailable):
                await self.forget_old()
            await sleep(FORGET_EVERY_SECONDS)

    async def forget_old(self) -> None:
        """Delete counts that no rate looks at any more; raises `RecordUnavailable`."""
        oldest = DATABASE_TIME - KEPT_SECONDS

        def work(connection: Connection) -> None:
            connection.execute(delete(RATES).where(RATES.c.began_at < oldest))

        await self._database.write(work)

    def _keys(self, limit: RateLimitItem, name: str, callers: Sequence[str]) -> dict[str, str]:
        """The callers by their keys: digests, so that no row tells an address."""
        return {
            blake2b(
                f"{name}/{limit}/{caller}".encode(), key=self._key, digest_size=16
            ).hexdigest(): caller
            for caller in callers
        }

    @staticmethod
    def _rows(
        connection: Connection,
        statement: TextClause,
        limit: RateLimitItem,
        keys: Mapping[str, str],
        **values: int,
    ) -> list[Row[Any]]:
        given = {"keys": list(keys), "seconds": limit.get_expiry(), **values}
        return list(connection.execute(statement, given))


def _windows(
    rows: Iterable[Row[Any]], limit: RateLimitItem, keys: Mapping[str, str]
) -> Mapping[str, Window]:
    seconds = limit.get_expiry()
    return {
        keys[row.key]: Window(seconds, row.before, row.hits, row.now / seconds % 1) for row in rows
    }
