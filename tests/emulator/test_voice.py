"""The voice: real speech from real text, in any script, at the speed asked for."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.emulator.speech.visemes import SAMPLE_RATE, SHAPES_PER_SECOND, MouthShape
from app.emulator.speech.voice import Speech, SpeechEngine, Voice, sentences
from app.kaltura.contract import VoiceConfig

ENGLISH = Voice(language="en-us", timbre="f3")


@pytest.fixture
async def engine() -> AsyncIterator[SpeechEngine]:
    engine = SpeechEngine()
    yield engine
    engine.close()


def seconds(speech: Speech) -> float:
    return len(speech.samples) / SAMPLE_RATE


def opening(speech: Speech) -> float:
    """How far the mouth opens at most."""
    return float(speech.mouths[:, MouthShape._fields.index("opening")].max())


async def test_a_sentence_takes_as_long_as_to_say_it(engine: SpeechEngine) -> None:
    speech = await engine.synthesise("Good morning, how are you today?", ENGLISH)

    assert 1.0 < seconds(speech) < 5.0
    assert np.abs(speech.samples).max() > 5_000


async def test_there_is_a_mouth_for_every_hundredth_of_a_second(engine: SpeechEngine) -> None:
    speech = await engine.synthesise("Good morning", ENGLISH)

    assert len(speech.mouths) == -(-len(speech.samples) * SHAPES_PER_SECOND // SAMPLE_RATE)
    assert np.isfinite(speech.mouths).all()
    assert opening(speech) > 0.4


async def test_the_mouth_opens_with_the_sound_and_shuts_after_it(engine: SpeechEngine) -> None:
    speech = await engine.synthesise("ah", ENGLISH)
    per_mouth = SAMPLE_RATE // SHAPES_PER_SECOND
    loud = [
        np.abs(speech.samples[row * per_mouth : (row + 1) * per_mouth].astype(int)).mean()
        for row in range(len(speech.mouths))
    ]
    open_at = int(speech.mouths[:, 0].argmax())

    assert loud[open_at] > 0.5 * max(loud)
    assert speech.mouths[-1, 0] < 0.05


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Bonjour tout le monde", "fr"),
        ("Привет, как дела?", "ru"),
        ("你好，世界", "cmn"),
        ("مرحبا بالعالم", "ar"),
        ("नमस्ते दुनिया", "hi"),
        ("日本語", "ja"),
    ],
)
async def test_every_script_is_spoken_and_moves_the_mouth(
    engine: SpeechEngine, text: str, language: str
) -> None:
    speech = await engine.synthesise(text, Voice(language=language, timbre="f3"))

    assert np.abs(speech.samples).max() > 5_000
    assert opening(speech) > 0.3


@pytest.mark.parametrize("text", ["", " ", "\0", "\0a\0", "\ud800", "😀", "<speak>", "[[", "&&&"])
async def test_what_cannot_be_voiced_is_no_error(engine: SpeechEngine, text: str) -> None:
    speech = await engine.synthesise(text, ENGLISH)

    assert len(speech.mouths) == -(-len(speech.samples) * SHAPES_PER_SECOND // SAMPLE_RATE)


async def test_speed_is_honoured(engine: SpeechEngine) -> None:
    slow, fast = [
        await engine.synthesise("one two three four five", Voice.of(VoiceConfig(speed=speed)))
        for speed in (0.8, 1.6)
    ]

    assert seconds(slow) > 1.5 * seconds(fast)


@pytest.mark.parametrize(("one", "other"), [("en", "de"), ("en-us", "en-gb-scotland")])
async def test_languages_and_dialects_sound_different(
    engine: SpeechEngine, one: str, other: str
) -> None:
    # eSpeak's noise is never twice the same, so it is the length that tells: by far more than that.
    first, second = [
        seconds(await engine.synthesise("tomato bath", Voice.of(VoiceConfig(language=language))))
        for language in (one, other)
    ]

    assert abs(first - second) > 0.01


@pytest.mark.parametrize("language", ["xx", "en-zz"])
async def test_an_unknown_language_is_spoken_as_its_nearest(
    engine: SpeechEngine, language: str
) -> None:
    speech = await engine.synthesise("hello", Voice(language=language, timbre="f3"))

    assert seconds(speech) > 0.2


async def test_voices_of_two_callers_do_not_mix(engine: SpeechEngine) -> None:
    other = SpeechEngine()
    first = await engine.synthesise("hello there", ENGLISH)
    both = await asyncio.gather(
        engine.synthesise("hello there", ENGLISH),
        other.synthesise("guten Tag zusammen", Voice(language="de", timbre="m3")),
        engine.synthesise("hello there", ENGLISH),
    )
    other.close()

    assert abs(len(both[0].samples) - len(first.samples)) < SAMPLE_RATE // 20
    assert abs(len(both[2].samples) - len(first.samples)) < SAMPLE_RATE // 20


class TestChoice:
    def test_the_same_id_is_always_the_same_voice(self) -> None:
        config = VoiceConfig(id="5f2c")

        assert Voice.of(config) == Voice.of(config)

    def test_known_voices_differ(self) -> None:
        voices = {Voice.of(VoiceConfig(id=f"emulator-voice-en-{n}")).timbre for n in range(1, 7)}

        assert len(voices) == 6

    def test_a_known_voice_brings_its_language_unless_another_is_asked_for(self) -> None:
        voice = "emulator-voice-de-1"

        assert Voice.of(VoiceConfig(id=voice)).language == "de"
        assert Voice.of(VoiceConfig(id=voice, language="fr")).language == "fr"

    def test_without_a_wish_it_speaks_english(self) -> None:
        assert Voice.of(None).language.startswith("en")


class TestSentences:
    @given(st.text(max_size=600))
    def test_nothing_is_lost_and_no_piece_is_long(self, text: str) -> None:
        pieces = list(sentences(text))

        assert "".join("".join(pieces).split()) == "".join(text.split())
        assert all(0 < len(piece) <= 240 for piece in pieces)

    def test_sentences_are_pieces(self) -> None:
        assert list(sentences("Hi! I am 1.85 m tall. Really?")) == [
            "Hi!",
            "I am 1.85 m tall.",
            "Really?",
        ]

    def test_words_stay_whole(self) -> None:
        text = "splendid " * 100

        assert {word for piece in sentences(text) for word in piece.split()} == {"splendid"}

    @pytest.mark.timeout(20)
    @pytest.mark.parametrize("text", ["!" * 250_000 + "x", ".a" * 125_000, "x" * 250_000])
    def test_the_longest_text_takes_no_time(self, text: str) -> None:
        assert len(next(sentences(text))) <= 240
