"""A house whose speech is tested, and its record."""

from pathlib import Path

import pytest

from app.sessions.audio import subprocess_runner, transcoder
from tests.support.doubles import FakeClock, FakeKaltura, InMemoryAuditWriter
from tests.support.sessions import Domain


@pytest.fixture(autouse=True)
def _sound_is_read_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of these tests does not wait for another process."""

    async def answered(_: Path, demuxer: str, longest: str, *, given: bytes, **__: object) -> bytes:
        return transcoder.answer(given, demuxer, float(longest))

    monkeypatch.setattr(subprocess_runner, "run", answered)


@pytest.fixture
def record() -> InMemoryAuditWriter:
    return InMemoryAuditWriter()


@pytest.fixture
def house(kaltura: FakeKaltura, clock: FakeClock, record: InMemoryAuditWriter) -> Domain:
    return Domain(kaltura, clock, record=record)
