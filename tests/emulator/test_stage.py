"""What is said, in which order, and what an interrupt leaves of it; time is counted in samples."""

import asyncio

import numpy as np
import pytest

from app.emulator.media.stage import FADE, QueueFullError, Stage
from app.emulator.speech.visemes import REST, SAMPLES_PER_MOUTH, Mouth
from app.emulator.speech.voice import Speech, Voice

LENGTHS = {"one": 2000, "two.": 3000, "three.": 1000, "": 0}


class Echo:
    """Says each known text as a level of its own, for as many samples as it is given."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def say(self, text: str, voice: Voice) -> Speech:
        assert voice == VOICE
        self.asked.append(text)
        await self.may_answer.wait()
        return speech(len(text) * 100, LENGTHS.get(text, 1000))


VOICE = Voice(language="en-us", timbre="f3")


def speech(level: int, length: int) -> Speech:
    mouths = np.zeros((-(-length // SAMPLES_PER_MOUTH), 5), np.float32)
    mouths[:, 0] = np.linspace(0.1, 0.9, len(mouths)) if len(mouths) else 0
    return Speech(np.full(length, level, np.int16), mouths)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def stage(echo: Echo) -> Stage:
    return Stage(echo, VOICE, max_queued=2)


async def levels(stage: Stage, count: int) -> list[int]:
    """The levels heard in the next `count` samples, in order, each once."""
    sound = await stage.hear(count)
    assert len(sound) == count
    changes = np.flatnonzero(np.diff(sound)) + 1
    return [int(sound[0]), *(int(level) for level in sound[changes])]


async def test_an_empty_stage_is_silent_and_shut(stage: Stage) -> None:
    assert await levels(stage, 960) == [0]
    assert stage.mouth == REST
    assert not stage.speaking


async def test_utterances_follow_each_other_without_a_gap(stage: Stage) -> None:
    stage.say_text("one")
    stage.say_speech(speech(77, 500))

    assert await levels(stage, 2600) == [300, 77, 0]


async def test_a_text_is_said_sentence_by_sentence(stage: Stage, echo: Echo) -> None:
    stage.say_text("two. three.")
    await stage.hear(100)
    assert echo.asked == ["two."]
    await stage.hear(3000)

    assert echo.asked == ["two.", "three."]


async def test_time_runs_only_while_someone_listens(stage: Stage, echo: Echo) -> None:
    stage.say_text("one")

    assert echo.asked == []
    assert stage.queued == 1
    assert (await levels(stage, 10)) == [300]
    assert stage.queued == 0


async def test_the_queue_is_bounded(stage: Stage) -> None:
    stage.say_text("one")
    stage.say_text("one")

    with pytest.raises(QueueFullError):
        stage.say_text("one")
    with pytest.raises(QueueFullError):
        stage.say_speech(speech(1, 1))


async def test_what_cannot_be_voiced_is_passed_over(stage: Stage, echo: Echo) -> None:
    stage.say_speech(speech(5, 0))
    stage.say_text("one")

    assert await levels(stage, 10) == [300]
    assert echo.asked == ["one"]


async def test_the_mouth_is_that_of_the_sound_being_heard(stage: Stage) -> None:
    spoken = speech(5, 48_000)
    stage.say_speech(spoken)
    for row in (0, 1, 50, 99):
        while stage._playhead < row * SAMPLES_PER_MOUTH:
            await stage.hear(SAMPLES_PER_MOUTH)
        await stage.hear(1)

        assert stage.mouth == Mouth(*spoken.mouths[row].tolist())
        stage._playhead -= 1


async def test_the_mouth_rests_when_all_is_said(stage: Stage) -> None:
    stage.say_text("one")
    await stage.hear(2000)
    assert stage.speaking
    await stage.hear(1)

    assert stage.mouth == REST
    assert not stage.speaking


async def test_an_interrupt_is_silence_after_a_short_fade(stage: Stage) -> None:
    stage.say_speech(speech(10_000, 48_000))
    await stage.hear(960)
    stage.interrupt()
    rest = await stage.hear(4800)

    assert stage.mouth == REST
    assert not stage.speaking
    assert (np.diff(rest[:FADE].astype(int)) <= 0).all()
    assert rest[0] > 9_000
    assert rest[FADE - 1] < 100
    assert not rest[FADE:].any()


async def test_an_interrupt_empties_the_queue(stage: Stage) -> None:
    stage.say_text("one")
    stage.say_text("two.")
    stage.interrupt()

    assert await levels(stage, 960) == [0]


async def test_an_interrupt_may_keep_the_queue(stage: Stage) -> None:
    stage.say_text("one")
    await stage.hear(100)
    stage.say_text("two.")
    stage.interrupt(keep_queue=True)

    await stage.hear(FADE)
    assert await levels(stage, 960) == [400]


async def test_an_interrupt_forgets_the_sentence_that_is_being_made(
    stage: Stage, echo: Echo
) -> None:
    stage.say_text("one")
    echo.may_answer.clear()
    listening = asyncio.create_task(stage.hear(960))
    await asyncio.sleep(0)
    assert echo.asked == ["one"]
    stage.interrupt()
    echo.may_answer.set()

    assert not (await listening).any()
    assert not stage.speaking


async def test_what_is_said_after_an_interrupt_is_said(stage: Stage) -> None:
    stage.say_text("one")
    stage.interrupt()
    stage.say_text("two.")

    assert await levels(stage, 10) == [400]
