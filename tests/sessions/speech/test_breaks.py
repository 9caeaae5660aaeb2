"""What breaks off is closed, what is stopped is told, and what waits is bounded."""

import asyncio
from typing import Any

import httpx
import pytest

from app.problems import QueueFull, SpeechRefused
from app.sessions.speech.backlog import MAX_QUEUED, MAX_QUEUED_CHARACTERS
from app.sessions.speech.chunks import MAX_TRIES
from app.sessions.speech.feed import UtteranceFeed
from app.sessions.speech.interruption import LEFTOVER_SECONDS, MAX_INTERRUPTS
from app.sessions.speech.playback import MAX_AHEAD
from app.sessions.speech.text.moderation import in_process
from app.sessions.speech.utterance_registry import MAX_KNOWN, UtteranceRegistry
from tests.support.doubles import (
    FakeClock,
    FakeKaltura,
    Gate,
    InMemoryAuditWriter,
    refusal,
    settled,
)
from tests.support.sessions import Domain, grant
from tests.support.speech import LONG, TTS, Pen, fates, finals, said, talking

SENTENCES = [f"This is number {number} of several. " * 2 for number in range(4)]
CHUNK = len(SENTENCES[0])


async def test_after_its_last_chunk_the_name_of_a_turn_is_free(house: Domain) -> None:
    session = grant(await house.open())
    await house.speech.say_text(session, "One.", "turn-1", is_final=True)
    again = await house.speech.say_text(session, "Two.", "turn-1", is_final=True)
    assert again.text == "Two."


async def test_of_a_text_that_fails_midway_nothing_more_is_said(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, speech_chunk_length=CHUNK)
    session = await house.open()
    kaltura.will("say-text", httpx.Response(200, json={"success": True}), refusal(500))
    await house.say(session, "".join(SENTENCES))
    await house.say(session, "Next.")
    await clock.pass_by(60)
    assert said(kaltura) == [SENTENCES[0], SENTENCES[1], "Next."]
    assert fates(house, session) == ["failed", "done"]


async def test_what_still_waits_of_a_text_that_is_refused_closes_its_turn(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    def no_shouting(question: dict[str, Any]) -> dict[str, str]:
        return {"action": "refuse" if question["text"].isupper() else "allow"}

    house, pen = Domain(kaltura, clock, hooks=[in_process(no_shouting)]), Pen()
    session = await house.open()
    await house.say(session, LONG)
    writing = asyncio.create_task(house.speech.say_written(grant(session), pen(), "turn-1"))
    await pen.write("This is fine. ", "THIS IS NOT. ", "And")
    with pytest.raises(SpeechRefused):
        await writing
    await clock.pass_by(60)
    assert said(kaltura)[1:] == ["This is fine. "]
    assert finals(kaltura) == [True, True]


async def test_a_text_that_kaltura_was_too_busy_for_waits_as_long_as_kaltura_asks(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    await house.say(session, LONG)
    await house.say(session, "Second.")
    busy = refusal(429)
    busy.headers["Retry-After"] = "8"
    kaltura.will("say-text", busy)
    while len(said(kaltura)) == 1:
        await clock.pass_by(0.5)
    await clock.pass_by(7)
    assert len(said(kaltura)) == 2
    await clock.pass_by(2)
    assert len(said(kaltura)) == 3


async def test_a_text_that_was_tried_when_stop_came_is_on_record_as_stopped(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock, record: InMemoryAuditWriter
) -> None:
    session = await house.open()
    await house.say(session, LONG)
    await house.say(session, "Second.")
    busy = Gate(refusal(429))
    kaltura.will("say-text", busy)
    while not busy.reached.is_set():
        await clock.pass_by(0.5)
    stopping = asyncio.create_task(house.speech.interrupt(grant(session)))
    await settled()
    busy.open.set()
    await stopping
    await clock.pass_by(60)
    assert said(kaltura) == [LONG.strip(), "Second."]
    assert "pending" not in [entry.outcome for entry in record.entries]


async def test_what_is_asked_about_is_bounded_too(kaltura: FakeKaltura, clock: FakeClock) -> None:
    async def never(question: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    house = Domain(kaltura, clock, hooks=[in_process(never)])
    session = await house.open()
    asking = [asyncio.create_task(house.say(session, "x")) for _ in range(MAX_QUEUED)]
    await settled()
    with pytest.raises(QueueFull):
        await house.say(session, "one too many")
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)


async def test_no_more_characters_wait_than_are_kept(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_text_length=10_000)
    session = await house.open()
    await house.say(session, LONG)
    for _ in range(MAX_QUEUED_CHARACTERS // 10_000):
        await house.say(session, "x" * 10_000)
    with pytest.raises(QueueFull):
        await house.say(session, "x")


async def test_kaltura_is_not_given_more_pieces_at_once_than_a_stop_interrupts(
    house: Domain, kaltura: FakeKaltura
) -> None:
    session = await house.open()
    for _ in range(2 * MAX_AHEAD):
        await house.say(session, "x")
    await settled()
    assert len(said(kaltura)) == MAX_AHEAD <= MAX_INTERRUPTS


async def test_the_rest_of_a_turn_that_was_stopped_is_said_as_another(
    house: Domain, kaltura: FakeKaltura
) -> None:
    session = grant(await house.open())
    await house.speech.say_text(session, "One, ", "turn-1", is_final=False)
    await house.speech.interrupt(session)
    again = await house.speech.say_text(session, "two.", "turn-1", is_final=True)
    assert (again.text, again.state.value) == ("two.", "speaking")
    assert said(kaltura) == ["One,", "two."]


async def test_a_turn_that_seemed_to_be_over_goes_on_with_its_next_chunk(
    house: Domain, clock: FakeClock
) -> None:
    session = await house.open()
    await house.speech.say_text(grant(session), "One, ", "turn-1", is_final=False)
    await clock.pass_by(10)
    assert fates(house, session) == ["done"]
    await house.speech.say_text(grant(session), "two.", "turn-1", is_final=True)
    assert fates(house, session) == ["speaking"]
    await clock.pass_by(10)
    assert fates(house, session) == ["done"]


async def test_what_kaltura_is_always_too_busy_for_fails_in_the_end(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    await house.say(session, LONG)
    await house.say(session, "Second.")
    await house.say(session, "Third.")
    kaltura.will("say-text", *[refusal(429)] * (MAX_TRIES + 1))
    await clock.pass_by(200, step=0.5)
    assert said(kaltura).count("Second.") == MAX_TRIES + 1
    assert fates(house, session) == ["done", "failed", "done"]


@pytest.mark.parametrize("begins", [True, False])
async def test_the_next_begins_when_a_player_hears_it_or_the_end_of_the_one_before(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock, *, begins: bool
) -> None:
    session = await house.open()
    first = await house.say(session, LONG)
    second = await house.say(session, "Second.")
    while len(said(kaltura)) == 1:
        await clock.pass_by(0.5)
    assert fates(house, session) == ["speaking", "queued"]
    heard = second if begins else first
    await house.speech.heard(grant(session), heard.turn_id, begins=begins)
    await settled()
    assert fates(house, session) == ["done", "speaking"]


async def test_a_voice_that_is_heard_long_after_stop_is_not_what_it_stopped(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    receipt = await house.say(session, LONG)
    await house.speech.interrupt(grant(session))
    await clock.pass_by(LEFTOVER_SECONDS + 1)
    await house.speech.heard(grant(session), receipt.turn_id, begins=True)
    await clock.pass_by(1)
    assert kaltura.operations().count("interrupt") == 1


async def test_no_other_voice_is_asked_for_what_was_stopped_meanwhile(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    services = talking()
    house = Domain(kaltura, clock, services=services, **TTS)
    session = await house.open()
    refused = Gate(refusal(503))
    kaltura.will("say-text", refused)
    speaking = asyncio.create_task(house.say(session, "Stopped."))
    await refused.reached.wait()
    stopping = asyncio.create_task(house.speech.interrupt(grant(session)))
    await settled()
    refused.open.set()
    await asyncio.gather(speaking, stopping)
    assert services.calls == []


async def test_turns_that_are_over_are_forgotten_in_the_end(clock: FakeClock) -> None:
    turns = UtteranceRegistry(UtteranceFeed(), clock)
    for number in range(2 * MAX_KNOWN):
        turns.mark_done(turns.new(f"turn-{number}", "x"))
    assert turns.get("turn-0") is None
    assert turns.get(f"turn-{2 * MAX_KNOWN - 1}") is not None
