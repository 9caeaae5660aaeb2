"""What is said, in which order, and what an interrupt leaves of it; time is counted in samples."""

import asyncio

import numpy as np
import pytest

from app.emulator.media.speech_player import FADE, QueueFullError, SpeechPlayer
from app.emulator.speech.visemes import REST, SAMPLES_PER_SHAPE, MouthShape
from app.emulator.speech.voice import Speech, Voice

LENGTHS = {"one": 2000, "two.": 3000, "three.": 1000, "": 0}


class Echo:
    """Says each known text as a level of its own, for as many samples as it is given."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def synthesise(self, text: str, voice: Voice) -> Speech:
        assert voice == VOICE
        self.asked.append(text)
        await self.may_answer.wait()
        return speech(len(text) * 100, LENGTHS.get(text, 1000))


VOICE = Voice(language="en-us", timbre="f3")


def speech(level: int, length: int) -> Speech:
    mouths = np.zeros((-(-length // SAMPLES_PER_SHAPE), 5), np.float32)
    mouths[:, 0] = np.linspace(0.1, 0.9, len(mouths)) if len(mouths) else 0
    return Speech(np.full(length, level, np.int16), mouths)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def player(echo: Echo) -> SpeechPlayer:
    return SpeechPlayer(echo, VOICE, max_queued=2)


async def levels(player: SpeechPlayer, count: int) -> list[int]:
    """The levels heard in the next `count` samples, in order, each once."""
    sound = await player.read(count)
    assert len(sound) == count
    changes = np.flatnonzero(np.diff(sound)) + 1
    return [int(sound[0]), *(int(level) for level in sound[changes])]


async def test_an_empty_stage_is_silent_and_shut(player: SpeechPlayer) -> None:
    assert await levels(player, 960) == [0]
    assert player.mouth == REST
    assert not player.speaking


async def test_utterances_follow_each_other_without_a_gap(player: SpeechPlayer) -> None:
    player.say_text("one")
    player.say_speech(speech(77, 500))

    assert await levels(player, 2600) == [300, 77, 0]


async def test_a_text_is_said_sentence_by_sentence(player: SpeechPlayer, echo: Echo) -> None:
    player.say_text("two. three.")
    await player.read(100)
    assert echo.asked == ["two."]
    await player.read(3000)

    assert echo.asked == ["two.", "three."]


async def test_time_runs_only_while_someone_listens(player: SpeechPlayer, echo: Echo) -> None:
    player.say_text("one")

    assert echo.asked == []
    assert player.queued == 1
    assert (await levels(player, 10)) == [300]
    assert player.queued == 0


async def test_the_queue_is_bounded(player: SpeechPlayer) -> None:
    player.say_text("one")
    player.say_text("one")

    with pytest.raises(QueueFullError):
        player.say_text("one")
    with pytest.raises(QueueFullError):
        player.say_speech(speech(1, 1))


async def test_what_cannot_be_voiced_is_passed_over(player: SpeechPlayer, echo: Echo) -> None:
    player.say_speech(speech(5, 0))
    player.say_text("one")

    assert await levels(player, 10) == [300]
    assert echo.asked == ["one"]


async def test_the_mouth_is_that_of_the_sound_being_heard(player: SpeechPlayer) -> None:
    spoken = speech(5, 48_000)
    player.say_speech(spoken)
    for row in (0, 1, 50, 99):
        while player._playhead < row * SAMPLES_PER_SHAPE:
            await player.read(SAMPLES_PER_SHAPE)
        await player.read(1)

        assert player.mouth == MouthShape(*spoken.mouths[row].tolist())
        player._playhead -= 1


async def test_the_mouth_rests_when_all_is_said(player: SpeechPlayer) -> None:
    player.say_text("one")
    await player.read(2000)
    assert player.speaking
    await player.read(1)

    assert player.mouth == REST
    assert not player.speaking


async def test_an_interrupt_is_silence_after_a_short_fade(player: SpeechPlayer) -> None:
    player.say_speech(speech(10_000, 48_000))
    await player.read(960)
    player.interrupt()
    rest = await player.read(4800)

    assert player.mouth == REST
    assert not player.speaking
    assert (np.diff(rest[:FADE].astype(int)) <= 0).all()
    assert rest[0] > 9_000
    assert rest[FADE - 1] < 100
    assert not rest[FADE:].any()


async def test_an_interrupt_empties_the_queue(player: SpeechPlayer) -> None:
    player.say_text("one")
    player.say_text("two.")
    player.interrupt()

    assert await levels(player, 960) == [0]


async def test_an_interrupt_may_keep_the_queue(player: SpeechPlayer) -> None:
    player.say_text("one")
    await player.read(100)
    player.say_text("two.")
    player.interrupt(keep_queue=True)

    await player.read(FADE)
    assert await levels(player, 960) == [400]


async def test_an_interrupt_forgets_the_sentence_that_is_being_made(
    player: SpeechPlayer, echo: Echo
) -> None:
    player.say_text("one")
    echo.may_answer.clear()
    listening = asyncio.create_task(player.read(960))
    await asyncio.sleep(0)
    assert echo.asked == ["one"]
    player.interrupt()
    echo.may_answer.set()

    assert not (await listening).any()
    assert not player.speaking


async def test_what_is_said_after_an_interrupt_is_said(player: SpeechPlayer) -> None:
    player.say_text("one")
    player.interrupt()
    player.say_text("two.")

    assert await levels(player, 10) == [400]
