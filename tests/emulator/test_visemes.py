"""Sounds have the mouths that a lip-reader expects."""

import numpy as np
import pytest

from app.emulator.speech.visemes import (
    REST,
    SAMPLE_RATE,
    SHAPES_PER_SECOND,
    MouthShape,
    Phoneme,
    shapes_of,
    shapes_of_audio,
    shapes_of_phonemes,
)


def tone(hertz: float, seconds: float, level: float = 12_000) -> np.ndarray:
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * hertz * t)).astype(np.int16)


def only(ipa: str) -> MouthShape:
    (shape,) = shapes_of(ipa)
    return shape


@pytest.mark.parametrize("ipa", ["m", "p", "b"])
def test_lips_meet(ipa: str) -> None:
    assert only(ipa).opening == 0


def test_ah_is_wider_open_than_ee_and_oo() -> None:
    assert only("ɑː").opening > only("iː").opening
    assert only("ɑː").opening > only("uː").opening


def test_oo_is_round_and_ee_is_spread() -> None:
    assert only("uː").spread < -0.5
    assert only("iː").spread > 0.5


@pytest.mark.parametrize("ipa", ["f", "v", "s", "z"])
def test_teeth_show(ipa: str) -> None:
    assert only(ipa).teeth == 1


@pytest.mark.parametrize("ipa", ["θ", "ð"])
def test_the_tongue_is_between_the_teeth(ipa: str) -> None:
    assert only(ipa).tongue == 1


def test_a_diphthong_has_two_shapes() -> None:
    assert len(shapes_of("ˈaɪ")) == 2


def test_an_affricate_has_one_shape() -> None:
    assert len(shapes_of("tʃ")) == 1


@pytest.mark.parametrize("ipa", ["", "ˈ", "_", "(en)"[:1]])
def test_a_pause_has_none(ipa: str) -> None:
    assert shapes_of(ipa) == []


def test_a_phoneme_shapes_the_mouth_from_its_beginning_to_the_next() -> None:
    samples = tone(200, 1.0)
    phonemes = [Phoneme(0.0, "ɑ"), Phoneme(0.5, "u"), Phoneme(0.8, "")]
    mouths = shapes_of_phonemes(phonemes, samples)

    assert len(mouths) == SHAPES_PER_SECOND
    assert mouths[25, 0] > 0.7
    assert mouths[65, 1] == pytest.approx(-1, abs=0.01)
    assert mouths[95] == pytest.approx(REST, abs=0.01)


def test_shapes_glide() -> None:
    phonemes = [Phoneme(0.0, "ɑ"), Phoneme(0.5, "m")]
    mouths = shapes_of_phonemes(phonemes, tone(200, 1.0))

    assert np.abs(np.diff(mouths[:, 0])).max() < 0.25


def test_silence_keeps_the_mouth_small() -> None:
    samples = np.concatenate([tone(200, 0.5), np.zeros(SAMPLE_RATE // 2, np.int16)])
    mouths = shapes_of_phonemes([Phoneme(0.0, "ɑ")], samples)

    assert mouths[80, 0] < 0.5 * mouths[20, 0]


class TestRecordings:
    def test_the_mouth_follows_the_loudness(self) -> None:
        quiet = np.zeros(SAMPLE_RATE // 2, np.int16)
        mouths = shapes_of_audio(np.concatenate([quiet, tone(200, 0.5), quiet]))

        assert mouths[:40].max() < 0.05
        assert mouths[75, 0] > 0.6
        assert mouths[-40:].max() < 0.05

    def test_hiss_shows_teeth_and_a_hum_does_not(self) -> None:
        noise = np.random.default_rng(1).normal(0, 6_000, SAMPLE_RATE // 2).astype(np.int16)
        hiss, hum = shapes_of_audio(noise)[25], shapes_of_audio(tone(150, 0.5))[25]

        assert MouthShape(*hiss).teeth > MouthShape(*hum).teeth + 0.3
        assert MouthShape(*hiss).opening < MouthShape(*hum).opening

    def test_the_noise_of_a_silent_recording_moves_nothing(self) -> None:
        noise = np.random.default_rng(1).normal(0, 8, SAMPLE_RATE).astype(np.int16)

        assert shapes_of_audio(noise)[:, 0].max() < 0.1

    @pytest.mark.parametrize("length", [0, 1, 479, 481])
    def test_even_the_shortest_has_its_mouths(self, length: int) -> None:
        assert len(shapes_of_audio(np.ones(length, np.int16))) == -(-length // 480)
