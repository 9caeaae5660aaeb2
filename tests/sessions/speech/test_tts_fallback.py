"""When Kaltura has no voice, another says the text; never both."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.problems import SpeechUnavailable
from app.sessions.speech.utterances import UtteranceState
from app.sessions.speech.voice.tts_fallback import FIRST_PAUSE_SECONDS, SpeechMode
from tests.support.audio import encoded
from tests.support.doubles import (
    FakeClock,
    FakeKaltura,
    FakeServices,
    InMemoryAuditWriter,
    refusal,
    settled,
)
from tests.support.sessions import Domain, grant
from tests.support.speech import LONG, TTS, fates, mp3, talking


def told_seconds(kaltura: FakeKaltura) -> float:
    """How long Kaltura was told that the last recording is."""
    form: bytes = kaltura.calls[-1].body
    return float(form.partition(b'name="duration"\r\n\r\n')[2].split(b"\r\n")[0])


def operations(kaltura: FakeKaltura) -> list[str]:
    return [name for name in kaltura.operations() if name.startswith("say")]


async def test_what_kaltura_refuses_is_said_in_another_voice_of_measured_length(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    services = talking(2.0)
    house = Domain(kaltura, clock, services=services, **TTS)
    kaltura.will("say-text", refusal(503))
    session = await house.open()
    receipt = await house.say(session, "Hello.")
    assert operations(kaltura) == ["say-text", "say-audio"]
    assert receipt.fallback
    (asked,) = services.calls
    assert str(asked.url) == "https://tts.test/v1/audio/speech"
    assert asked.headers["Authorization"] == "Bearer canary-tts-key"
    assert b'"input": "Hello."' in await asked.aread()
    form = kaltura.calls[-1].body
    assert b'name="turnId"\r\n\r\n' + receipt.turn_id.encode() in form
    assert told_seconds(kaltura) == pytest.approx(2.0, abs=0.1)
    await clock.pass_by(1.5)
    assert fates(house, session) == ["speaking"]
    await clock.pass_by(1)
    assert fates(house, session) == ["done"]


@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "pcm_s16le"), ("ogg", "libopus"), ("flac", "flac"), ("adts", "aac")],
)
async def test_what_a_service_answers_in_another_format_is_made_mp3(
    kaltura: FakeKaltura, clock: FakeClock, container: str, codec: str
) -> None:
    sound = encoded(container, codec, seconds=1.5)
    services = FakeServices(answer=lambda _: httpx.Response(200, content=sound))
    house = Domain(kaltura, clock, services=services, **TTS | {"speech": "audio"})
    await house.say(await house.open(), "Hello.")
    assert told_seconds(kaltura) == pytest.approx(1.5, abs=0.1)
    assert b"Content-Type: audio/mpeg" in kaltura.calls[-1].body


@pytest.mark.parametrize("header", ["0", "1"])
async def test_a_sound_that_is_stitched_together_is_as_long_as_it_takes(
    kaltura: FakeKaltura, clock: FakeClock, header: str
) -> None:
    stitched = mp3(2, header=header) * 3
    services = FakeServices(answer=lambda _: httpx.Response(200, content=stitched))
    house = Domain(kaltura, clock, services=services, **TTS | {"speech": "audio"})
    await house.say(await house.open(), "Hello.")
    assert told_seconds(kaltura) == pytest.approx(6, abs=0.3)


async def test_kaltura_is_left_alone_for_a_while_and_then_tried_and_trusted_again(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, services=talking(0.5), **TTS)
    kaltura.will("say-text", refusal(503))
    session = await house.open()
    await house.say(session, "One.")
    assert house.readiness.speech is SpeechMode.AUDIO
    assert any("503" in warning for warning in house.readiness.warnings())
    await clock.pass_by(5)
    await house.say(session, "Two.")
    assert operations(kaltura) == ["say-text", "say-audio", "say-audio"]
    await clock.pass_by(FIRST_PAUSE_SECONDS, step=1)
    await house.say(session, "Three.")
    assert operations(kaltura)[3:] == ["say-text"]
    assert house.voice.speech is SpeechMode.TEXT
    assert house.voice.switches == 2


async def test_a_probe_that_fails_is_followed_by_a_longer_pause(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, services=talking(0.5), **TTS)
    kaltura.will("say-text", *[refusal(503)] * 9)
    session = await house.open()
    for _ in range(30):
        await house.say(session, "Again.")
        await clock.pass_by(5, step=1)
    # At 0, 10, 30 and 70 seconds.
    assert operations(kaltura).count("say-text") == 4
    assert operations(kaltura).count("say-audio") == 30


async def test_a_long_text_is_made_in_parts_so_that_the_first_is_heard_soon(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    services = talking(3)
    house = Domain(kaltura, clock, services=services, **TTS)
    kaltura.will("say-text", refusal(503))
    session = await house.open()
    await house.say(session, LONG)
    await clock.pass_by(20)
    made = [
        httpx.Response(200, content=await each.aread()).json()["input"] for each in services.calls
    ]
    assert len(made) == 2
    assert "".join(made) == LONG.strip()
    assert operations(kaltura) == ["say-text", "say-audio", "say-audio"]
    assert fates(house, session) == ["done"]


@pytest.mark.parametrize("speech", ["text", "audio", "auto"])
@pytest.mark.parametrize("text", ["👍", "...", "—", "?!" * 200])
async def test_a_text_that_makes_no_sound_reaches_no_voice_and_is_done(
    kaltura: FakeKaltura, clock: FakeClock, record: InMemoryAuditWriter, speech: str, text: str
) -> None:
    services = FakeServices()
    house = Domain(kaltura, clock, services=services, record=record, **(TTS | {"speech": speech}))
    session = await house.open()
    assert (await house.say(session, text)).state is UtteranceState.DONE

    async def written() -> AsyncIterator[str]:
        yield text

    assert (await house.speech.say_written(grant(session), written(), None)).reason is None
    await settled()
    assert fates(house, session) == ["done", "done"]
    assert (operations(kaltura), services.calls) == ([], [])
    entries = [entry for entry in record.entries if entry.event == "say-text"]
    assert [(entry.text, entry.outcome) for entry in entries] == [(text, "ok")] * 2


async def test_a_turn_is_ended_with_what_makes_no_sound_and_its_failure_says_nothing_of_a_voice(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock)
    session = await house.open()
    await house.speech.say_text(grant(session), "Well done", "turn-1", is_final=False)
    kaltura.will("say-text", refusal(503))
    receipt = await house.speech.say_text(grant(session), "👍", "turn-1", is_final=True)
    assert kaltura.calls[-1].body == {"text": "👍", "turnId": "turn-1", "isFinal": True}
    assert receipt.state is not UtteranceState.FAILED
    assert house.voice.speech is SpeechMode.TEXT


async def test_by_choice_kaltura_is_not_asked_at_all(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, services=talking(), **(TTS | {"speech": "audio"}))
    await house.say(await house.open(), "Hello.")
    assert operations(kaltura) == ["say-audio"]


@pytest.mark.parametrize("changes", [{}, TTS | {"speech": "text"}])
async def test_with_no_other_voice_the_problem_names_the_fix(
    kaltura: FakeKaltura, clock: FakeClock, changes: dict[str, Any]
) -> None:
    services = talking()
    house = Domain(kaltura, clock, services=services, **changes)
    kaltura.will("say-text", refusal(503))
    with pytest.raises(SpeechUnavailable) as problem:
        await house.say(await house.open(), "Hello.")
    assert "TTS_BASE_URL" in problem.value.remedy
    assert house.voice.speech is SpeechMode.UNAVAILABLE
    assert services.calls == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(302, headers={"Location": "https://elsewhere.test"}),
        httpx.Response(200, content=b""),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b"\xff\xfb" + bytes(11 * 1024 * 1024)),
    ],
)
async def test_a_service_that_makes_no_speech_is_a_documented_problem(
    kaltura: FakeKaltura, clock: FakeClock, answer: httpx.Response
) -> None:
    services = FakeServices(answer=lambda _: answer)
    house = Domain(kaltura, clock, services=services, **(TTS | {"speech": "audio"}))
    session = await house.open()
    with pytest.raises(SpeechUnavailable):
        await house.say(session, "Hello.")
    assert operations(kaltura) == []
    assert fates(house, session) == ["failed"]


async def test_speech_that_was_being_made_when_stop_came_is_not_said(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, **(TTS | {"speech": "audio"}))
    session = await house.open()
    sound = mp3(1)

    async def slow(_: httpx.Request) -> httpx.Response:
        await house.speech.interrupt(grant(session))
        return httpx.Response(200, content=sound)

    house.services.answer = slow
    receipt = await house.say(session, "Hello.")
    assert receipt.state.value == "interrupted"
    assert operations(kaltura) == []
