"""Every process on one Postgres has the same SECRET_KEY, which is changed in two steps."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from asgi_lifespan import LifespanManager
from pydantic import SecretStr

from app.config.sources import SettingsError
from app.db.database import Database, open_database
from app.main import create_app
from app.migrations import prepare
from app.replicas.secret_key_canary import require_shared_secret_key
from app.sessions.keyring import Keyring
from tests.support.doubles import settings

FIRST, SECOND, THIRD = (f"a-secret-key-of-32-characters-no-{n}" for n in "123")


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    async with open_database(postgres_url, prepare) as database:
        yield database


async def start(database: Database, *keys: str) -> None:
    cipher = Keyring([SecretStr(key) for key in keys]).at_rest()
    await require_shared_secret_key(database, cipher)


async def test_processes_that_start_at_once_with_one_key_all_start(database: Database) -> None:
    await asyncio.gather(*(start(database, FIRST) for _ in range(4)))


async def test_a_key_is_changed_by_adding_it_first_and_then_moving_it_to_the_front(
    database: Database,
) -> None:
    for keys in ((FIRST,), (FIRST, SECOND), (FIRST,), (SECOND, FIRST), (FIRST, SECOND), (SECOND,)):
        # Between two steps a process of the step before may start again.
        if keys == (SECOND,):
            await start(database, SECOND, FIRST)
        await start(database, *keys)
    with pytest.raises(SettingsError):
        await start(database, FIRST)


async def test_another_key_is_refused_in_one_line_that_does_not_tell_it(database: Database) -> None:
    await start(database, FIRST)
    for keys in ((SECOND,), (SECOND, THIRD)):
        with pytest.raises(SettingsError, match=r"^SECRET_KEY is not the one .*$") as refused:
            await start(database, *keys)
        assert SECOND not in str(refused.value)
    await start(database, FIRST)


async def test_a_broker_with_another_key_does_not_start(postgres_url: str) -> None:
    for key, starts in ((FIRST, True), (SECOND, False), (FIRST, True)):
        app = create_app(settings(database_url=postgres_url, secret_key=key))
        manager = LifespanManager(app, startup_timeout=60, shutdown_timeout=60)
        if starts:
            async with manager:
                pass
        else:
            with pytest.raises(SettingsError, match="SECRET_KEY"):
                await manager.__aenter__()
