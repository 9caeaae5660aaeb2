from collections.abc import Iterator

import pytest

from tests.support.postgres import Postgres


@pytest.fixture
def postgres_url(own_postgres: Postgres) -> Iterator[str]:
    """A new database on Postgres, without tables."""
    url = own_postgres.new_database()
    yield url
    own_postgres.drop(url)
