"""A text is said while it is written, whatever becomes of its writer."""

import asyncio
from typing import Any

import pytest

from app.problems import InvalidRequest, KalturaFailed, NothingToSay, SpeechRefused
from app.sessions.speech.queue import MAX_OPEN_CHUNKS
from app.sessions.speech.text import streaming
from app.sessions.speech.text.moderation import in_process
from app.sessions.speech.text.segmentation import WINDOW
from tests.support.doubles import FakeClock, FakeKaltura, refusal, settled
from tests.support.sessions import Domain, grant
from tests.support.speech import LONG, Pen, fates, finals, said


@pytest.fixture
def pen() -> "Pen":
    return Pen()


async def test_each_sentence_is_said_as_soon_as_the_next_begins(
    house: Domain, kaltura: FakeKaltura, pen: Pen
) -> None:
    session = await house.open()
    speaking = asyncio.create_task(house.speech.say_written(grant(session), pen(), "turn-1"))
    await pen.write("Hel", "lo the", "re. ")
    assert said(kaltura) == []
    await pen.write("I am ")
    assert said(kaltura) == ["Hello there. "]
    await pen.write("an avatar.")
    pen.break_off()
    receipt = await speaking
    await settled()
    assert said(kaltura) == ["Hello there. ", "I am an avatar."]
    assert finals(kaltura) == [False, True]
    assert receipt.text == "Hello there. I am an avatar."
    assert {call.body["turnId"] for call in kaltura.calls[2:]} == {"turn-1"}
    assert fates(house, session) == ["speaking"]


async def test_a_writer_that_pauses_has_said_what_is_whole(
    house: Domain, kaltura: FakeKaltura, pen: Pen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "PAUSE_SECONDS", 0.01)
    session = await house.open()
    speaking = asyncio.create_task(house.speech.say_written(grant(session), pen(), "turn-1"))
    await pen.write("Let me look.")
    while not said(kaltura):  # noqa: ASYNC110 - real time is what it is about
        await asyncio.sleep(0.01)
    await pen.write(" Here it is.")
    pen.break_off()
    await speaking
    await settled()
    assert said(kaltura) == ["Let me look.", " Here it is."]
    # Each turn at Kaltura has its end; after one comes another.
    assert finals(kaltura) == [True, True]
    assert [call.body["turnId"] for call in kaltura.calls[2:]] == ["turn-1", "turn-1:2"]


async def test_a_writer_that_stalls_is_not_waited_for_and_its_turn_is_closed(
    house: Domain, kaltura: FakeKaltura, pen: Pen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(streaming, "STALL_SECONDS", 0.05)
    session = await house.open()
    speaking = asyncio.create_task(house.speech.say_written(grant(session), pen(), None))
    await pen.write("One sentence. And half of")
    with pytest.raises(InvalidRequest) as stalled:
        await speaking
    assert stalled.value.status == 408
    await settled()
    assert said(kaltura) == ["One sentence. ", "And half of"]
    assert finals(kaltura) == [False, True]


async def test_others_wait_until_the_writer_is_through(
    house: Domain, kaltura: FakeKaltura, pen: Pen
) -> None:
    session = await house.open()
    speaking = asyncio.create_task(house.speech.say_written(grant(session), pen(), None))
    await pen.write("One. Two. Thr")
    assert (await house.say(session, "Me.")).state.value == "queued"
    await pen.write("ee.")
    pen.break_off()
    await speaking
    await settled()
    assert said(kaltura) == ["One. ", "Two. ", "Three.", "Me."]


async def test_when_enough_is_in_line_no_more_is_read(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock, pen: Pen
) -> None:
    session = await house.open()
    await house.say(session, LONG)
    speaking = asyncio.create_task(house.speech.say_written(grant(session), pen(), None))
    await pen.write(*(f"Sentence {number} is said. " for number in range(20)))
    assert pen.read <= MAX_OPEN_CHUNKS + 3
    pen.break_off()
    await clock.pass_by(120, step=0.5)
    await speaking
    assert pen.read == 20
    assert len(said(kaltura)) == 21


async def test_stop_ends_the_text_and_its_writer_is_told(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock, pen: Pen
) -> None:
    session = await house.open()
    speaking = asyncio.create_task(house.speech.say_written(grant(session), pen(), None))
    await pen.write("One. Two")
    await house.speech.interrupt(grant(session))
    await pen.write(". Three. Four. ")
    receipt = await speaking
    await clock.pass_by(5)
    assert said(kaltura) == ["One. "]
    assert receipt.state.value == "interrupted"


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        (["0123456789. ", "0123456789. "], "0123456789. "),
        (["Hello. The quick brown", " fox jumps."], "Hello. "),
        (["The quick brow", "n foxes jump."], "The quick brown "),
        (["The quick bro", "wn fox jumps."], "The quick brown fox "),
        (["The quick brown fox.", " It jumps."], "The quick brown fox."),
        (["Thequickbrownfoxjumps"], "Thequickbrownfoxjump"),
    ],
)
async def test_what_is_too_long_is_said_up_to_a_sentence_else_a_word_and_its_fate_tells(
    kaltura: FakeKaltura, clock: FakeClock, pen: Pen, texts: list[str], whole: str
) -> None:
    house = Domain(kaltura, clock, max_text_length=20)
    session = await house.open()
    speaking = asyncio.create_task(house.speech.say_written(grant(session), pen(), None))
    await pen.write(*texts)
    with pytest.raises(InvalidRequest, match="20 characters"):
        await speaking
    await clock.pass_by(30)
    assert "".join(said(kaltura)) == whole
    assert finals(kaltura)[-1] is True
    (receipt,) = house.speech.utterances(grant(session))
    assert (receipt.state.value, receipt.reason) == ("failed", "invalid-request")
    assert receipt.text == whole


async def test_others_are_served_between_the_parts_of_a_long_line(
    kaltura: FakeKaltura, clock: FakeClock, pen: Pen
) -> None:
    house = Domain(kaltura, clock, max_text_length=100_000, speech_chunk_length=100_000)
    session = await house.open()
    text = "J. " * 20_000
    speaking = asyncio.create_task(house.speech.say_written(grant(session), pen(), None))
    await pen.write("J. ")
    pen.break_off()
    turns = await _turns_of_others_until(speaking)
    speaking = asyncio.create_task(house.speech.say_written(grant(session), pen(), None))
    await pen.write(text)
    pen.break_off()
    assert await _turns_of_others_until(speaking) >= turns + len(text) // WINDOW - 20


async def _turns_of_others_until(done: asyncio.Task[Any]) -> int:
    turns = 0
    while not done.done():
        turns += 1
        await asyncio.sleep(0)
    return turns


@pytest.mark.parametrize("texts", [[], [" ", "\n"]])
async def test_a_text_of_nothing_is_not_valid(
    house: Domain, kaltura: FakeKaltura, pen: Pen, texts: list[str]
) -> None:
    session = await house.open()
    speaking = asyncio.create_task(house.speech.say_written(grant(session), pen(), None))
    await pen.write(*texts)
    pen.break_off()
    with pytest.raises(NothingToSay):
        await speaking
    assert said(kaltura) == []


async def test_what_kaltura_refuses_is_answered(
    house: Domain, kaltura: FakeKaltura, pen: Pen
) -> None:
    session = await house.open()
    kaltura.will("say-text", refusal(500))
    speaking = asyncio.create_task(house.speech.say_written(grant(session), pen(), None))
    await pen.write("One.")
    pen.break_off()
    with pytest.raises(KalturaFailed):
        await speaking


async def test_the_hook_sees_each_sentence_and_a_refusal_ends_the_text(
    kaltura: FakeKaltura, clock: FakeClock, pen: Pen
) -> None:
    async def hook(question: dict[str, Any]) -> dict[str, str]:
        bad = "Two" in question["text"]
        return {"action": "refuse", "reason": "No."} if bad else {"action": "allow"}

    house = Domain(kaltura, clock, hooks=[in_process(hook)])
    session = await house.open()
    speaking = asyncio.create_task(house.speech.say_written(grant(session), pen(), None))
    await pen.write("One. Two. Three. Four.")
    with pytest.raises(SpeechRefused):
        await speaking
    await settled()
    assert said(kaltura)[0] == "One. "
    assert not any("Two" in text for text in said(kaltura))
