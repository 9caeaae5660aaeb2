"""Whatever is asked to be said is said in order, once, and not any more after Stop."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.problems import KalturaBusy, KalturaFailed, QueueFull, SessionEnded, SpeechUnavailable
from app.sessions.speech.backlog import MAX_QUEUED
from app.sessions.speech.playback import AHEAD_SECONDS
from app.sessions.speech.utterances import UtteranceState
from tests.support.doubles import FakeClock, FakeKaltura, Gate, refusal, settled
from tests.support.sessions import Domain, grant
from tests.support.speech import LONG, fates, said


async def test_what_is_first_goes_upstream_at_once_and_the_rest_when_it_is_nearly_over(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    assert (await house.say(session, LONG)).state is UtteranceState.SPEAKING
    assert (await house.say(session, "Second.")).state is UtteranceState.QUEUED
    await settled()
    assert len(said(kaltura)) == 1
    await clock.pass_by(40)
    assert said(kaltura) == [LONG.strip(), "Second."]
    assert fates(house, session) == ["done", "done"]


async def test_what_waits_is_counted_over_all_sessions_until_it_is_said_stopped_or_over(
    house: Domain, clock: FakeClock
) -> None:
    said_, stopped, over = [await house.open() for _ in range(3)]
    for session in (said_, stopped, over):
        for text in (LONG, "Second.", "Third."):
            await house.say(session, text)
    assert house.speech.waiting == 6
    await house.speech.interrupt(grant(stopped))
    assert house.speech.waiting == 4
    await house.end(over)
    assert house.speech.waiting == 2
    await clock.pass_by(60)
    assert house.speech.waiting == 0
    assert fates(house, said_) == ["done"] * 3


async def test_the_next_is_there_before_the_voice_falls_silent(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    await house.say(session, LONG)
    await house.say(session, "Second.")
    while len(said(kaltura)) == 1:
        await clock.pass_by(0.1)
    assert fates(house, session) == ["speaking", "queued"]
    await clock.pass_by(AHEAD_SECONDS)
    assert fates(house, session)[0] == "done"


async def test_an_error_of_what_is_first_is_answered_and_nothing_is_said_twice(
    house: Domain, kaltura: FakeKaltura
) -> None:
    session = await house.open()
    kaltura.will("say-text", httpx.ReadError(""))
    with pytest.raises(KalturaFailed):
        await house.say(session, "Lost?")
    await house.say(session, "Next.")
    assert said(kaltura) == ["Lost?", "Next."]
    assert fates(house, session) == ["failed", "speaking"]


@pytest.mark.parametrize("answer", [refusal(429), refusal(503), httpx.ConnectError("")])
async def test_what_kaltura_says_it_did_not_do_is_tried_again_for_who_waits_in_line(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock, answer: Any
) -> None:
    session = await house.open()
    await house.say(session, LONG)
    await house.say(session, "Second.")
    kaltura.will("say-text", answer)
    await clock.pass_by(60)
    assert said(kaltura) == [LONG.strip(), "Second.", "Second."]
    assert fates(house, session) == ["done", "done"]


@pytest.mark.parametrize("answer", [httpx.ReadError(""), refusal(500), refusal(400)])
async def test_what_kaltura_may_have_done_is_never_tried_again(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock, answer: Any
) -> None:
    session = await house.open()
    await house.say(session, LONG)
    await house.say(session, "Second.")
    await house.say(session, "Third.")
    kaltura.will("say-text", answer)
    await clock.pass_by(60)
    assert said(kaltura) == [LONG.strip(), "Second.", "Third."]
    assert fates(house, session) == ["done", "failed", "done"]


async def test_whoever_waits_for_the_answer_gets_it_and_may_try_again(
    house: Domain, kaltura: FakeKaltura
) -> None:
    session = await house.open()
    kaltura.will("say-text", refusal(429), refusal(503))
    with pytest.raises(KalturaBusy):
        await house.say(session, "One.")
    with pytest.raises(SpeechUnavailable) as unavailable:
        await house.say(session, "Two.")
    assert "TTS_BASE_URL" in unavailable.value.remedy
    assert len(said(kaltura)) == 2


async def test_more_than_may_wait_is_refused_and_told_when(house: Domain) -> None:
    session = await house.open()
    await house.say(session, LONG)
    for _ in range(MAX_QUEUED):
        await house.say(session, "x")
    with pytest.raises(QueueFull) as full:
        await house.say(session, "one too many")
    assert full.value.retry_after
    assert full.value.retry_after > 1


# Turns


async def test_the_chunks_of_one_turn_are_one_utterance_in_their_order(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    await house.say(session, LONG)
    for text, last in (("One, ", False), ("two, ", False), ("three.", True)):
        await house.speech.say_text(grant(session), text, "turn-1", is_final=last)
    await house.say(session, "After.")
    await clock.pass_by(60)
    assert said(kaltura)[1:] == ["One,", "two,", "three.", "After."]
    sent = [call.body for call in kaltura.calls if call.operation == "say-text"]
    assert [body["isFinal"] for body in sent[1:4]] == [False, False, True]
    assert {body["turnId"] for body in sent[1:4]} == {"turn-1"}
    assert fates(house, session) == ["done", "done", "done"]


async def test_a_long_text_goes_as_chunks_of_one_turn_of_which_the_last_is_final(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, speech_chunk_length=100)
    session = await house.open()
    await house.say(session, LONG)
    await clock.pass_by(60)
    sent = [call.body for call in kaltura.calls if call.operation == "say-text"]
    assert "".join(body["text"] for body in sent) == LONG.strip()
    assert [body["isFinal"] for body in sent] == [False] * (len(sent) - 1) + [True]
    assert len({body["turnId"] for body in sent}) == 1
    assert all(len(body["text"]) <= 100 for body in sent)
    assert fates(house, session) == ["done"]


# Stop


async def test_after_stop_nothing_of_what_came_before_is_said(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    for _ in range(5):
        await house.say(session, LONG)
    await clock.pass_by(27)
    assert len(said(kaltura)) == 2
    stopping = asyncio.create_task(house.speech.interrupt(grant(session)))
    await clock.pass_by(1)
    await stopping
    assert fates(house, session) == ["interrupted"] * 5
    await clock.pass_by(300, step=1)
    assert len(said(kaltura)) == 2


async def test_stop_interrupts_as_often_as_kaltura_has_pieces(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    for _ in range(3):
        await house.say(session, "Short.")
    await settled()
    assert len(said(kaltura)) == 3
    await house.speech.interrupt(grant(session))
    speaking = asyncio.create_task(house.say(session, "New."))
    await clock.pass_by(1)
    await speaking
    last = kaltura.operations()[-4:]
    assert last == ["interrupt", "interrupt", "interrupt", "say-text"]


async def test_a_text_that_was_on_its_way_when_stop_came_is_interrupted_too(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    gate = Gate()
    kaltura.will("say-text", gate)
    speaking = asyncio.create_task(house.say(session, "On its way."))
    await gate.reached.wait()
    stopping = asyncio.create_task(house.speech.interrupt(grant(session)))
    await settled()
    gate.open.set()
    await asyncio.gather(speaking, stopping)
    assert kaltura.operations()[-2:] == ["say-text", "interrupt"]
    assert fates(house, session) == ["interrupted"]


async def test_a_text_that_waits_behind_another_call_when_stop_comes_is_not_sent(
    house: Domain, kaltura: FakeKaltura
) -> None:
    session = await house.open()
    gate = Gate()
    kaltura.will("keep-alive", gate)
    beating = asyncio.create_task(house.service.keep_alive(grant(session)))
    await gate.reached.wait()
    speaking = asyncio.create_task(house.say(session, "Behind it."))
    await settled()
    stopping = asyncio.create_task(house.speech.interrupt(grant(session)))
    await settled()
    gate.open.set()
    await asyncio.gather(beating, speaking, stopping)
    assert kaltura.operations()[-2:] == ["keep-alive", "interrupt"]
    assert fates(house, session) == ["interrupted"]


@pytest.mark.parametrize("steps", range(1, 12))
async def test_no_text_of_before_a_stop_is_sent_after_it(
    house: Domain, kaltura: FakeKaltura, steps: int
) -> None:
    session = await house.open()
    speaking = asyncio.create_task(house.say(session, "Before."))
    for _ in range(steps):
        await asyncio.sleep(0)
    await house.speech.interrupt(grant(session))
    await speaking
    await house.say(session, "After.")
    assert kaltura.operations()[-1] == "say-text"
    before = said(kaltura)[:-1] == ["Before."]
    sent = ["say-text", "interrupt"] if before else ["interrupt"]
    assert kaltura.operations() == ["create", "init-client", *sent, "say-text"]


async def test_a_voice_that_is_heard_after_stop_is_stopped_again(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    receipt = await house.say(session, LONG)
    await house.speech.interrupt(grant(session))
    await house.speech.heard(grant(session), receipt.turn_id, begins=True)
    await clock.pass_by(1)
    assert kaltura.operations().count("interrupt") == 2


async def test_a_stop_that_kaltura_refused_is_told_and_what_goes_on_is_not_called_stopped(
    house: Domain, kaltura: FakeKaltura
) -> None:
    session = await house.open()
    await house.say(session, LONG)
    await house.say(session, "Second.")
    kaltura.will("interrupt", *[refusal(500)] * 3)
    with pytest.raises(KalturaFailed):
        await house.speech.interrupt(grant(session))
    assert fates(house, session) == ["speaking", "interrupted"]


async def test_nothing_is_said_after_the_end_and_its_fate_is_told(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    await house.say(session, LONG)
    await house.say(session, "Second.")
    await house.end(session)
    await clock.pass_by(60)
    assert said(kaltura) == [LONG.strip()]
    receipts = house.speech.utterances(grant(session))
    assert [(r.state.value, r.reason) for r in receipts] == [("interrupted", "session-ended")] * 2
    with pytest.raises(SessionEnded):
        await house.say(session, "Late.")


async def test_what_waits_is_no_sign_of_life(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    for _ in range(5):
        await house.say(session, LONG)
    await clock.pass_by(house.settings.session_idle_seconds, step=1)
    assert len(said(kaltura)) > 2
    await house.sweep()
    assert (await house.now(session)).ended is not None


# What a player hears


async def test_an_end_that_is_heard_brings_the_next_and_teaches_the_pace(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    first = await house.say(session, LONG)
    await house.say(session, "Second.")
    await clock.pass_by(15)
    assert len(said(kaltura)) == 1
    await house.speech.heard(grant(session), first.turn_id, begins=False)
    await settled()
    assert said(kaltura)[1:] == ["Second."]
    assert fates(house, session) == ["done", "speaking"]


async def test_a_pause_for_breath_is_no_end(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    first = await house.say(session, LONG)
    await clock.pass_by(2)
    await house.speech.heard(grant(session), first.turn_id, begins=False)
    assert fates(house, session) == ["speaking"]


# All at once


async def _stall() -> httpx.Response:
    for _ in range(20):
        await asyncio.sleep(0)
    return httpx.Response(200, json={"success": True})


REFUSED = "refused"
WEATHER: dict[str, Callable[[], Any]] = {
    "fine": lambda: httpx.Response(200, json={"success": True}),
    "stalls": lambda: _stall,
    REFUSED: lambda: refusal(429),
    "lost": lambda: httpx.ReadError(""),
}


@pytest.mark.parametrize("seed", range(5))
async def test_fifty_speaks_at_once_are_said_in_order_and_none_of_them_twice(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock, seed: int
) -> None:
    weather = random.Random(seed).choices(list(WEATHER), weights=(5, 3, 1, 1), k=100)
    kaltura.will("say-text", *(WEATHER[kind]() for kind in weather))
    session = await house.open()
    texts = [f"Text number {number}." for number in range(MAX_QUEUED)]
    speaking = [asyncio.create_task(house.say(session, text)) for text in texts]
    await clock.pass_by(300, step=0.5)
    outcomes = await asyncio.gather(*speaking, return_exceptions=True)
    assert not any(isinstance(outcome, QueueFull) for outcome in outcomes)
    sent = said(kaltura)
    numbers = [texts.index(text) for text in sent]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(MAX_QUEUED))
    for text in texts:
        met = [kind for kind, other in zip(weather, sent, strict=False) if other == text]
        assert set(met[:-1]) <= {REFUSED}
    receipts = house.speech.utterances(grant(session))
    assert [receipt.text for receipt in receipts] == texts
    assert {receipt.state.value for receipt in receipts} <= {"done", "failed"}
