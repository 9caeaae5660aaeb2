"""A text that is still being written and that is sent again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.problems import InvalidRequest, SpeechUnavailable
from app.sessions.speech import idempotency
from app.sessions.speech.chunks import MAX_TRIES
from tests.support.doubles import FakeClock, FakeKaltura, refusal, settled
from tests.support.sessions import Domain, grant
from tests.support.speech import said


async def texts(*parts: str, until: asyncio.Event | None = None) -> AsyncIterator[str]:
    """A text, which does not end before `until`."""
    for part in parts:
        yield part
    if until is not None:
        await until.wait()


async def test_one_that_could_not_be_said_may_be_tried_again(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    mine, ends = grant(await house.open()), asyncio.Event()
    kaltura.will("say-text", *[refusal(503)] * (MAX_TRIES + 1))
    first = asyncio.create_task(
        house.speech.say_written(mine, texts("One. Two.", until=ends), None, "k")
    )
    await clock.pass_by(60, step=1)
    ends.set()
    with pytest.raises(SpeechUnavailable):
        await first
    await house.speech.say_written(mine, texts("One. ", "Two."), None, "k")
    await settled()
    assert said(kaltura)[MAX_TRIES + 1 :] == ["One. ", "Two."]


async def test_one_that_stalls_is_not_waited_for_for_ever(
    house: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "STALL_SECONDS", 0)
    mine = grant(await house.open())
    await house.speech.say_written(mine, texts("One."), None, "k")
    with pytest.raises(InvalidRequest) as stalled:
        await house.speech.say_written(mine, texts("One.", until=asyncio.Event()), None, "k")
    assert stalled.value.status == 408


async def test_what_broke_off_is_not_the_whole(house: Domain, kaltura: FakeKaltura) -> None:
    mine = grant(await house.open())
    await house.speech.say_written(mine, texts("One. Tw"), None, "k")
    for other in ("One. Two.", "One. "):
        with pytest.raises(InvalidRequest, match="Idempotency-Key"):
            await house.speech.say_written(mine, texts(other), None, "k")
    await settled()
    assert said(kaltura) == ["One. ", "Tw"]
