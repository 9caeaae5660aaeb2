"""How Postgres is reached: libpq's parameters, and what a start that fails is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from app.config.sources import SettingsError
from app.db import postgres
from app.db.database import Database, open_database
from app.db.postgres import connector, require_sessions
from app.migrations import prepare
from tests.support.doubles import settings
from tests.support.postgres import Postgres
from tests.support.processes import free_port

PASSWORD = "p@ss/w#rd%:?"


@pytest.fixture
def url(own_postgres: Postgres) -> str:
    """The server, without a database's name."""
    return f"postgres://broker@127.0.0.1:{own_postgres.port}"


@pytest.fixture
async def server(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may do everything."""
    connection = await asyncpg.connect(f"{url}/postgres")
    yield connection
    await connection.close()


@asynccontextmanager
async def opened(
    url: str, prepare: Callable[[Connection], None] = lambda _: None
) -> AsyncIterator[Database]:
    async with open_database(settings(database_url=url).database_url, prepare) as database:
        yield database


async def refusal(url: str, prepare: Callable[[Connection], None] = lambda _: None) -> str:
    with pytest.raises(SettingsError) as raised:
        async with opened(url, prepare):
            pass
    told = str(raised.value)
    assert told.startswith("DATABASE_URL")
    assert "\n" not in told
    return told


# What libpq understands


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?sslmode=disable",
        "?sslmode=allow",
        "?sslmode=prefer",
        "?ssl=prefer",
        "?channel_binding=prefer&gssencmode=disable",
        "?keepalives=1&keepalives_idle=30&client_encoding=UTF8&sslsni=0",
        "?connect_timeout=0",
        "?target_session_attrs=read-write",
    ],
)
async def test_libpqs_parameters_are_understood(url: str, query: str) -> None:
    async with opened(f"{url}/postgres{query}"):
        pass


async def test_what_the_server_is_to_be_told_reaches_it(url: str) -> None:
    query = "application_name=my%20broker+1&options=-c%20statement_timeout%3D9000"
    async with opened(f"{url}/postgres?{query}") as database:
        [name] = await database.read(text("SHOW application_name"))
        [limit] = await database.read(text("SHOW statement_timeout"))
    assert (name[0], limit[0]) == ("my broker+1", "9s")


async def test_a_host_may_be_a_socket_another_scheme_or_one_of_several(
    url: str, own_postgres: Postgres, server: asyncpg.Connection
) -> None:
    folder = await server.fetchval("SHOW unix_socket_directories")
    port, closed = own_postgres.port, free_port()
    for same in (
        f"postgresql:///postgres?host={folder}&port={port}&user=broker",
        f"postgresql://broker@{quote(folder, safe='')}:{port}/postgres",
        f"postgresql+asyncpg://broker@127.0.0.1:{closed},127.0.0.1:{port}/postgres",
        f"{url}?dbname=postgres",
    ):
        async with opened(same):
            pass


@pytest.mark.parametrize(
    ("query", "seconds"),
    [("", 5.0), ("?connect_timeout=7", 7.0), ("?connect_timeout=0", None)],
)
async def test_connect_timeout_is_how_long_connecting_may_take(
    monkeypatch: pytest.MonkeyPatch, query: str, seconds: float | None
) -> None:
    given = await connected_with(monkeypatch, query)
    assert (given["timeout"], given["command_timeout"]) == (seconds, 5.0)


async def test_the_authorities_of_the_system_prove_name_and_certificate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = await connected_with(monkeypatch, "?sslmode=verify-full&sslrootcert=system")
    assert given["ssl"].check_hostname
    assert given["ssl"].verify_mode is ssl.CERT_REQUIRED
    assert "sslrootcert" not in given["dsn"]


async def connected_with(monkeypatch: pytest.MonkeyPatch, query: str) -> dict[str, Any]:
    """What asyncpg is given for these parameters."""
    given: dict[str, Any] = {}

    async def connect(dsn: str, **arguments: Any) -> None:
        given.update(arguments, dsn=dsn)

    monkeypatch.setattr(asyncpg, "connect", connect)
    await connector(f"postgresql://host/name{query}", seconds=5.0)()
    return given


async def test_a_process_frozen_amid_a_transaction_does_not_hold_the_others_up(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "IDLE_SECONDS", 0.05)
    lock = text("SELECT pg_advisory_xact_lock(1)")
    async with (
        opened(f"{url}/postgres") as frozen,
        opened(f"{url}/postgres") as other,
        asyncio.timeout(4),
        frozen.engine.connect() as held,
    ):
        await held.execute(lock)
        await other.write(lambda connection: connection.execute(lock))
        with pytest.raises(DBAPIError):
            await held.execute(lock)


# What can't work is one line at the start


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("/none", 'database "none" does not exist): create it'),
        ("/postgres?sslmode=require", "with sslmode its TLS"),
        ("/postgres?sslmode=some", "`sslmode` parameter must be one of"),
        ("/postgres?sslmode=verify-full&sslrootcert=/none", "the certificates' files"),
        ("/postgres?sslmode=require&sslrootcert=system", "sslrootcert=system needs"),
        ("/postgres?channel_binding=require", "channel_binding=require can't be kept"),
        ("/postgres?gssencmode=require", "gssencmode=require can't be kept"),
        ("/postgres?connect_timeout=soon", "connect_timeout is not a number of seconds"),
        ("/postgres?sslmode", "not name=value"),
        ("/postgres?target_session_attrs=standby", "None of the hosts match"),
        ("/postgres?schema=public", 'unrecognized configuration parameter "schema"'),
        ("x/postgres", "check its parts"),
    ],
)
async def test_a_start_that_fails_says_in_one_line_why(url: str, rest: str, told: str) -> None:
    assert told in await refusal(f"{url}{rest}")


def _ask_for_password(hba: Path, role: str) -> None:
    rules = hba.read_text(encoding="utf-8")
    hba.write_text(f"host all {role} 127.0.0.1/32 scram-sha-256\n{rules}", encoding="utf-8")


async def test_a_user_or_password_that_is_wrong_is_told_and_the_password_is_not(
    server: asyncpg.Connection, own_postgres: Postgres
) -> None:
    await server.execute("CREATE ROLE guarded LOGIN PASSWORD 'p@ss/w#rd%:?'")
    _ask_for_password(Path(await server.fetchval("SHOW hba_file")), "guarded")
    await server.execute("SELECT pg_reload_conf()")
    address = f"127.0.0.1:{own_postgres.port}/postgres"
    told = await refusal(f"postgres://guarded:{quote(PASSWORD[:-1], safe='')}@{address}")
    assert "password authentication failed" in told
    assert PASSWORD[:-1] not in told
    assert 'role "nobody" does not exist' in await refusal(f"postgres://nobody@{address}")
    async with opened(f"postgres://guarded:{quote(PASSWORD, safe='')}@{address}"):
        pass


async def test_what_may_not_be_done_to_the_tables_is_told_at_the_start(
    url: str, server: asyncpg.Connection, own_postgres: Postgres
) -> None:
    name = own_postgres.new_database().rpartition("/")[2]
    await server.execute("CREATE ROLE poor LOGIN")
    poor = f"{url.replace('broker@', 'poor@')}/{name}"
    assert "give its user the rights" in await refusal(poor, prepare)
    async with opened(f"{url}/{name}", prepare) as database, database.engine.begin() as owner:
        for table in ("alembic_version", "sessions", "audit"):
            await owner.execute(text(f"GRANT SELECT, INSERT ON {table} TO poor"))
    assert "permission denied for table" in await refusal(poor, prepare)
    read_only = f"{url}/{name}?options=-c%20default_transaction_read_only%3Don"
    assert "name the primary" in await refusal(read_only, prepare)


# Transaction pooling


async def test_sessions_that_transactions_share_are_refused(
    url: str, server: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pooled(*_: Any, **__: Any) -> asyncpg.Connection:
        return server

    monkeypatch.setattr(asyncpg, "connect", pooled)
    assert "session pooling" in await refusal(f"{url}/postgres")


async def test_a_session_that_forgets_between_transactions_is_refused(url: str) -> None:
    engine = create_async_engine(f"{url.replace('postgres:', 'postgresql+asyncpg:')}/postgres")

    def forget(connection: Connection) -> None:
        connection.exec_driver_sql("RESET ALL")

    event.listen(engine.sync_engine, "commit", forget)
    with pytest.raises(SettingsError, match="session pooling"):
        await require_sessions(engine)
    await engine.dispose()


@pytest.mark.parametrize(
    "error", [asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError]
)
async def test_a_prepared_statement_that_got_lost_is_a_sign_of_it(
    url: str, error: type[Exception]
) -> None:
    def lost(_: Connection) -> None:
        raise ValueError from error("prepared statement")

    assert "session pooling" in await refusal(f"{url}/postgres", lost)
