"""Each text is on record before it is answered, and so is what becomes of it later."""

import asyncio
from typing import Any

import pytest

from app.problems import SpeechRefused
from app.sessions.speech.text.moderation import in_process
from tests.support.doubles import (
    FakeClock,
    FakeKaltura,
    Gate,
    InMemoryAuditWriter,
    allowing_at,
    refusal,
    settled,
)
from tests.support.sessions import Domain, grant
from tests.support.speech import LONG


def said(record: InMemoryAuditWriter) -> list[tuple[str | None, str, int | None]]:
    """Text, outcome and Kaltura's status of each text on record."""
    return [
        (entry.text, entry.outcome, entry.upstream_status)
        for entry in record.entries
        if entry.event == "say-text"
    ]


async def test_a_text_in_line_is_pending_until_it_is_said(
    house: Domain, clock: FakeClock, record: InMemoryAuditWriter
) -> None:
    session = await house.open()
    await house.say(session, "First. " * 30)
    await house.say(session, "Second.")
    assert said(record)[1] == ("Second.", "pending", None)
    await clock.pass_by(60)
    assert said(record)[1] == ("Second.", "ok", 200)


async def test_what_became_of_it_later_is_on_record(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock, record: InMemoryAuditWriter
) -> None:
    session = await house.open()
    for text in (LONG, "Fails.", "Stopped.", LONG):
        await house.say(session, text)
    kaltura.will("say-text", refusal(500))
    while said(record)[1][1] == "pending":
        await clock.pass_by(1)
    await house.say(session, "Waits.")
    await house.speech.interrupt(grant(session))
    outcomes = {text: (outcome, status) for text, outcome, status in said(record)}
    assert outcomes["Fails."] == ("kaltura-error", 500)
    assert outcomes["Waits."] == ("interrupted", None)


async def test_a_text_that_a_stop_drops_while_it_is_checked_is_not_on_record_as_said(
    kaltura: FakeKaltura, clock: FakeClock, record: InMemoryAuditWriter
) -> None:
    gate = Gate()
    house = Domain(kaltura, clock, record=record, hooks=[in_process(allowing_at(gate))])
    session = await house.open()
    saying = asyncio.create_task(house.say(session, "Dropped."))
    await gate.reached.wait()
    await house.speech.interrupt(grant(session))
    gate.open.set()
    assert (await saying).state == "interrupted"
    assert said(record) == [("Dropped.", "interrupted", None)]


async def test_a_text_that_a_stop_drops_before_it_is_sent_is_not_on_record_as_said(
    house: Domain, record: InMemoryAuditWriter
) -> None:
    session = await house.open()
    await asyncio.gather(house.say(session, "Dropped."), house.speech.interrupt(grant(session)))
    assert said(record) == [("Dropped.", "interrupted", None)]


async def test_a_long_text_is_one_entry_that_ends_with_its_last_piece(
    kaltura: FakeKaltura, clock: FakeClock, record: InMemoryAuditWriter
) -> None:
    house = Domain(kaltura, clock, record=record, speech_chunk_length=100)
    session = await house.open()
    await house.say(session, LONG)
    assert said(record)[0][1] == "pending", "its first piece is said"
    await house.say(session, LONG)
    await clock.pass_by(30)
    assert said(record)[1][1] == "pending"
    await clock.pass_by(60)
    assert said(record) == [(LONG.strip(), "ok", 200)] * 2


async def test_both_the_text_asked_for_and_the_one_said_are_on_record(
    kaltura: FakeKaltura, clock: FakeClock, record: InMemoryAuditWriter
) -> None:
    async def hook(question: dict[str, Any]) -> dict[str, str]:
        return {"action": "replace", "text": "Kind words."}

    house = Domain(kaltura, clock, record=record, hooks=[in_process(hook)])
    await house.say(await house.open(), "Harsh words.")
    (entry,) = (entry for entry in record.entries if entry.event == "say-text")
    assert (entry.text, entry.detail["asked"]) == ("Kind words.", "Harsh words.")


async def test_a_refused_text_is_on_record_with_the_reason_and_every_one_of_them(
    kaltura: FakeKaltura, clock: FakeClock, record: InMemoryAuditWriter
) -> None:
    async def hook(question: dict[str, Any]) -> dict[str, str]:
        return {"action": "refuse", "reason": "Not here."}

    house = Domain(kaltura, clock, record=record, hooks=[in_process(hook)])
    session = await house.open()
    for _ in range(100):
        with pytest.raises(SpeechRefused):
            await house.say(session, "Harsh words.")
    assert said(record) == [("Harsh words.", "speech-refused", None)] * 100
    assert record.entries[-1].detail["why"] == "Not here."


async def test_with_hashes_no_words_are_kept_not_even_those_that_were_changed(
    kaltura: FakeKaltura, clock: FakeClock, record: InMemoryAuditWriter
) -> None:
    async def hook(question: dict[str, Any]) -> dict[str, str]:
        return {"action": "replace", "text": "Kind words."}

    for keeping in ("hash", "none"):
        house = Domain(kaltura, clock, record=record, hooks=[in_process(hook)], audit_text=keeping)
        await house.say(await house.open(), "Harsh words.")
        assert "words" not in repr(record.entries)


async def test_each_sentence_of_a_text_that_is_being_written_is_on_record(
    house: Domain, record: InMemoryAuditWriter
) -> None:
    async def texts() -> Any:
        yield "One sentence. And ano"
        yield "ther."

    await house.speech.say_written(grant(await house.open()), texts(), None)
    await settled()
    assert said(record) == [("One sentence. ", "ok", 200), ("And another.", "ok", 200)]


async def test_every_interrupt_of_one_stop_is_on_record(
    house: Domain, clock: FakeClock, record: InMemoryAuditWriter
) -> None:
    session = await house.open()
    for _ in range(3):
        await house.say(session, "Short.")
    await settled()
    await house.speech.interrupt(grant(session))
    await clock.pass_by(1)
    found = [entry.outcome for entry in record.entries if entry.event == "interrupt"]
    assert found == ["ok"] * 3
