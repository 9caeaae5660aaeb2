from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.support.doubles import FakeClock, FakeKaltura
from tests.support.joined_brokers import JoinedBrokers, joined_brokers


@pytest.fixture
async def brokers(
    postgres_url: str, kaltura: FakeKaltura, clock: FakeClock
) -> AsyncIterator[JoinedBrokers]:
    """Starts brokers on one new Postgres database."""
    async with joined_brokers(postgres_url, kaltura, clock) as brokers:
        yield brokers


@pytest.fixture
async def sql(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to that database that is no replica's."""
    connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    yield connection
    await connection.close()
