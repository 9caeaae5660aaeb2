"""Connections to Postgres, and the messages for a start that fails because of it.

`DATABASE_URL` is libpq's connection URI. asyncpg understands it, except for a few parameters that
are handled here.
"""

import re
import secrets
import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final
from urllib.parse import quote, unquote

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.config.sources import SettingsError

Connect = Callable[[], Awaitable[asyncpg.Connection]]

_WITHOUT_EFFECT: Final = frozenset(
    {
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
        *("tcp_user_timeout", "client_encoding", "fallback_application_name", "sslcompression"),
        *("sslsni", "load_balance_hosts"),
    }
)
"""Parameters of libpq that concern its own sockets, and are ignored."""

_UNSUPPORTED: Final = ("channel_binding", "gssencmode")
"""Parameters that asyncpg does not support, ignored unless their value is `require`."""

_SYSTEM: Final = "system"
"""The value of `sslrootcert` that means the authorities that this machine trusts."""

_FIXES: Final = {
    "28": "check its user and password, and what pg_hba.conf allows",
    "3D": "create it, or name another",
    "42501": "give its user the rights to create tables in the schema and to use them",
    "25006": "name the primary, such as with target_session_attrs=read-write",
    "53300": "allow more connections, or close others",
}
"""The remedy for each SQLSTATE or SQLSTATE class."""


def connector(url: str, *, seconds: float, bounds_statements: bool = True) -> Connect:
    """A function that opens connections; raises `SettingsError` on an unsupported parameter.

    Connecting may take `seconds`, unless `connect_timeout` is given, and so may each statement
    where the connection `bounds_statements`.
    """
    address, _, query = url.replace("+asyncpg", "", 1).partition("?")
    given = dict(_parameters(query))
    arguments: dict[str, Any] = {"timeout": seconds}
    if bounds_statements:
        arguments["command_timeout"] = seconds
    for name in _UNSUPPORTED:
        if given.pop(name, None) == "require":
            raise SettingsError(
                f"DATABASE_URL: {name}=require can't be kept: take it away, and let "
                "sslmode=verify-full prove who the server is"
            )
    if (patience := given.pop("connect_timeout", None)) is not None:
        arguments["timeout"] = _seconds(patience)
    if (mode := given.pop("ssl", None)) is not None:
        # JDBC's and SQLAlchemy's name for sslmode; libpq accepts it too.
        given.setdefault("sslmode", "require" if mode == "true" else mode)
    if given.get("sslrootcert") == _SYSTEM:
        del given["sslrootcert"]
        if given.pop("sslmode", "verify-full") != "verify-full":
            raise SettingsError("DATABASE_URL: sslrootcert=system needs sslmode=verify-full")
        arguments["ssl"] = ssl.create_default_context()
    kept = [f"{name}={quote(value)}" for name, value in given.items()]
    dsn = f"{address}?{'&'.join(kept)}" if kept else address

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(dsn, **arguments)

    return connect


def _parameters(query: str) -> Iterator[tuple[str, str]]:
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if not name or not value:
            raise SettingsError("DATABASE_URL: what follows the ? is not name=value&name=value")
        if name not in _WITHOUT_EFFECT:
            yield unquote(name), unquote(value)  # libpq does not read a + as a space


def _seconds(value: str) -> float | None:
    """The seconds of `connect_timeout`; None, no limit, for 0 and less, as libpq has it."""
    if not re.fullmatch(r"-?[0-9]{1,9}", value):
        raise SettingsError("DATABASE_URL: connect_timeout is not a number of seconds")
    return float(value) if int(value) > 0 else None


IDLE_SECONDS: Final = 2.0
"""How long a transaction may do nothing before the server rolls it back.

A process that is frozen or cut off amid a transaction would keep its locks until it goes on, or
until the server's TCP gives it up, which may be hours later.
"""


def bounding_transactions(connect: Connect) -> Connect:
    """A function that opens connections whose transactions may do nothing for `IDLE_SECONDS`.

    The bound is set by a statement, as a pooler may refuse parameters at the connection's start.
    """
    bound = f"SET idle_in_transaction_session_timeout = {round(IDLE_SECONDS * 1000)}"

    async def bounded() -> asyncpg.Connection:
        connection = await connect()
        await connection.execute(bound)
        return connection

    return bounded


_MARK: Final = text("SELECT set_config('avatar_broker.mark', :mark, false)")
_MARKED: Final = text("SELECT current_setting('avatar_broker.mark', true)")


async def require_sessions(engine: AsyncEngine) -> None:
    """Raise `SettingsError` behind a pooler that pools transactions, as PgBouncer can.

    Such a pooler may run each transaction in another session, which loses notifications. To
    detect it, one connection marks its session. With such a pooler the mark is then either found
    by a second connection, which was given the same session, or not found by the first one.
    """
    mark = secrets.token_hex(8)
    async with engine.connect() as one, engine.connect() as other:
        await one.execute(_MARK, {"mark": mark})
        await one.commit()
        # The second transaction stays open, so that the pooler can't give its session to the first.
        if await other.scalar(_MARKED) == mark or await one.scalar(_MARKED) != mark:
            raise _transaction_pooling()


def refusal(error: BaseException) -> SettingsError:
    """The one-line message for a start that failed; it never contains the password."""
    server = _driver_error(error)
    if isinstance(
        server,
        asyncpg.InvalidSQLStatementNameError | asyncpg.DuplicatePreparedStatementError,
    ):
        return _transaction_pooling()
    if isinstance(server, asyncpg.PostgresError):
        state = server.sqlstate or ""
        fix = _FIXES.get(state) or _FIXES.get(state[:2]) or "check its parameters"
        return SettingsError(f"DATABASE_URL: Postgres refuses ({_one_line(server)}): {fix}")
    if server is not None:
        return SettingsError(f"DATABASE_URL: {_one_line(server)}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return SettingsError(
            f"DATABASE_URL: Postgres' certificate is not trusted ({error.verify_message}): name "
            "its authority as sslrootcert, and the host as the certificate does"
        )
    if isinstance(error, OSError):
        advice = "check its host and port, and with sslmode its TLS and the certificates' files"
        kind = type(error).__name__
        return SettingsError(f"DATABASE_URL: Postgres can't be reached ({kind}): {advice}")
    return SettingsError(
        f"DATABASE_URL: Postgres can't be used ({type(error).__name__}): check its parts, and "
        "percent-encode what has a meaning in an address"
    )


def _driver_error(error: BaseException | None) -> BaseException | None:
    """The error of asyncpg that SQLAlchemy's error was raised from, if any."""
    driver_errors = (
        asyncpg.PostgresError,
        asyncpg.ClientConfigurationError,
        asyncpg.TargetServerAttributeNotMatched,
    )
    while error is not None and not isinstance(error, driver_errors):
        error = error.__cause__
    return error


def _transaction_pooling() -> SettingsError:
    return SettingsError(
        "DATABASE_URL: a pooler gives each transaction another session (transaction pooling), and "
        "notifications need one that lasts: name its port for session pooling, or Postgres itself"
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
