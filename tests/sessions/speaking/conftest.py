"""A house whose speech is tested, and its record."""

import pytest

from tests.doubles import FakeClock, FakeKaltura, RecordInMemory
from tests.sessions.house import House


@pytest.fixture
def record() -> RecordInMemory:
    return RecordInMemory()


@pytest.fixture
def house(kaltura: FakeKaltura, clock: FakeClock, record: RecordInMemory) -> House:
    return House(kaltura, clock, record=record)
