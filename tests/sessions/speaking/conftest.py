"""A house whose speech is tested, and its record."""

from pathlib import Path

import pytest

from app.sessions import sandbox, transcoder
from tests.doubles import FakeClock, FakeKaltura, RecordInMemory
from tests.sessions.house import House


@pytest.fixture(autouse=True)
def _sound_is_read_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of these tests does not wait for another process."""

    async def answered(_: Path, demuxer: str, longest: str, *, given: bytes, **__: object) -> bytes:
        return transcoder.answer(given, demuxer, float(longest))

    monkeypatch.setattr(sandbox, "run", answered)


@pytest.fixture
def record() -> RecordInMemory:
    return RecordInMemory()


@pytest.fixture
def house(kaltura: FakeKaltura, clock: FakeClock, record: RecordInMemory) -> House:
    return House(kaltura, clock, record=record)
