"""A pooled connection is asked whether it lives after it was idle, and not before."""

from unittest.mock import patch

import asyncpg
import pytest
from sqlalchemy import func, select

from app.db import idle_connections
from app.db.database import Database, open_database


@pytest.mark.parametrize(("idle_seconds", "pings"), [(0.0, 3), (60.0, 0)])
async def test_a_connection_that_was_just_used_is_not_asked_whether_it_lives(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, idle_seconds: float, pings: int
) -> None:
    async with open_database(postgres_url, lambda _: None) as database:
        monkeypatch.setattr(idle_connections, "IDLE_SECONDS", idle_seconds)
        with patch.object(
            database.engine.dialect, "do_ping", wraps=database.engine.dialect.do_ping
        ) as ping:
            for _ in range(3):
                await database.read(select(1))
    assert ping.call_count == pings


async def test_one_that_the_server_has_closed_meanwhile_is_replaced(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_database(postgres_url, lambda _: None) as database:
        first = await _session(database)
        server = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
        assert await server.fetchval("SELECT pg_terminate_backend($1, 1000)", first)
        await server.close()
        monkeypatch.setattr(idle_connections, "IDLE_SECONDS", 0.0)
        assert await _session(database) != first


async def _session(database: Database) -> int:
    """The server's number of the session that a read was in."""
    [[number]] = await database.read(select(func.pg_backend_pid()))
    return int(number)
