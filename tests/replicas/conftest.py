from collections.abc import AsyncIterator

import pytest

from tests.support.doubles import FakeClock, FakeKaltura
from tests.support.joined_brokers import JoinedBrokers, joined_brokers
from tests.support.postgres import Postgres


@pytest.fixture
async def brokers(
    own_postgres: Postgres, kaltura: FakeKaltura, clock: FakeClock
) -> AsyncIterator[JoinedBrokers]:
    """Starts brokers on one new Postgres database."""
    url = own_postgres.new_database()
    async with joined_brokers(url, kaltura, clock) as brokers:
        yield brokers
    own_postgres.drop(url)
