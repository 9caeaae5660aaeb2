# ruff: noqa: RUF001 - some letters of the phonetic alphabet look like Latin ones
"""The shapes of the mouth (visemes) for phonemes, and for recordings.

A shape is five numbers, so that shapes can be interpolated:

- `opening`: how far the lips are apart, 0 to 1;
- `spread`: -1 rounded and narrow, 0 at rest, 1 wide;
- `teeth`: how much of the upper teeth shows, 0 to 1;
- `tongue`: how far the tongue is raised towards them, 0 to 1;
- `tuck`: how far the lower lip is drawn in, as for "m" and "f", 0 to 1.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE: Final = 48_000
"""The sample rate of all audio that is sent, in Hz: that of Opus."""

SHAPES_PER_SECOND: Final = 100
"""The shapes of the mouth for one second of sound."""

SAMPLES_PER_SHAPE: Final = SAMPLE_RATE // SHAPES_PER_SECOND

Samples: TypeAlias = NDArray[np.int16]
"""Mono sound at `SAMPLE_RATE`."""

MouthShapes: TypeAlias = NDArray[np.float32]
"""A matrix of shapes, one row of five numbers for each hundredth of a second."""


class MouthShape(NamedTuple):
    """One shape of the mouth; the module's docstring explains the numbers."""

    opening: float = 0.0
    spread: float = 0.0
    teeth: float = 0.0
    tongue: float = 0.0
    tuck: float = 0.0


REST: Final = MouthShape()

_SHAPES: Final[Sequence[tuple[str, MouthShape]]] = (
    ("aɐɑæ", MouthShape(0.95, 0.25, 0.5)),
    ("ɒɔ", MouthShape(0.8, -0.45, 0.15)),
    ("oɤ", MouthShape(0.6, -0.75)),
    ("uʊɯyʏ", MouthShape(0.3, -1.0)),
    ("w", MouthShape(0.16, -1.0)),
    ("øœɵ", MouthShape(0.5, -0.7, 0.1)),
    ("eɛ", MouthShape(0.55, 0.55, 0.6, 0.2)),
    ("iɪ", MouthShape(0.32, 0.9, 0.8, 0.25)),
    ("j", MouthShape(0.24, 0.7, 0.7, 0.3)),
    ("əɜɘɚɝɨʉʌ", MouthShape(0.45, 0.05, 0.4, 0.1)),
    ("mpbɱ", MouthShape(tuck=1.0)),
    ("fvɸβʋ", MouthShape(0.14, 0.1, 1.0, 0.0, 0.8)),
    ("θð", MouthShape(0.24, 0.1, 0.8, 1.0)),
    ("tdnlɾɫɬɭɖʈɳ", MouthShape(0.27, 0.15, 0.8, 0.7)),
    ("szɕʑ", MouthShape(0.16, 0.5, 1.0)),
    ("ʃʒ", MouthShape(0.24, -0.6, 1.0)),
    ("rɹɻʁʀ", MouthShape(0.27, -0.45, 0.4, 0.3)),
    ("kgɡŋxɣqhɦcɟɲçʔ", MouthShape(0.32, 0.1, 0.4)),
)

_SMOOTHING: Final = 9
"""The width of the smoothing window, in hundredths of a second."""

_VOWELS: Final = frozenset("aɐɑæɒɔoɤuʊɯyʏøœɵeɛiɪəɜɘɚɝɨʉʌ")


class Phoneme(NamedTuple):
    """A sound in the International Phonetic Alphabet, with the time at which it begins."""

    seconds: float
    ipa: str


def shapes_of(ipa: str) -> list[MouthShape]:
    """The shapes of one phoneme in order: two for a diphthong, none for a pause."""
    by_letter = {letter: mouth for letters, mouth in _SHAPES for letter in letters}
    letters = [letter for letter in ipa if letter in by_letter]
    if all(letter in _VOWELS for letter in letters):
        return [by_letter[letter] for letter in letters]
    return [by_letter[letter] for letter in letters[:1]]


def shapes_of_phonemes(phonemes: Sequence[Phoneme], samples: Samples) -> MouthShapes:
    """The shapes that speak `phonemes`, opened in proportion to the loudness of `samples`."""
    mouths = np.tile(np.array(REST, np.float32), (_count(samples), 1))
    ends = [phoneme.seconds for phoneme in phonemes[1:]] + [len(samples) / SAMPLE_RATE]
    for phoneme, end in zip(phonemes, ends, strict=True):
        for part, mouth in _parts(phoneme, end):
            mouths[part] = mouth
    mouths = _smooth(mouths)
    mouths[:, 0] *= 0.45 + 0.55 * _loudness(samples)
    return mouths


def shapes_of_audio(samples: Samples) -> MouthShapes:
    """The shapes for a recording of unknown words, from its loudness and its zero crossings."""
    mouths = np.zeros((_count(samples), len(MouthShape._fields)), np.float32)
    loudness, hiss = _loudness(samples), _hiss(samples)
    voiced = np.clip(1.5 - 5.0 * hiss, 0.25, 1.0)
    mouths[:, 0] = loudness**0.8 * voiced
    mouths[:, 1] = np.clip(12.0 * (hiss - 0.08), -0.7, 0.7) * np.minimum(1.0, 4.0 * loudness)
    mouths[:, 2] = np.clip(0.3 + 2.0 * hiss, 0.0, 1.0) * np.minimum(1.0, 4.0 * loudness)
    return _smooth(mouths)


def _parts(phoneme: Phoneme, end: float) -> Iterable[tuple[slice, MouthShape]]:
    shapes = shapes_of(phoneme.ipa)
    length = (end - phoneme.seconds) / max(1, len(shapes))
    for index, mouth in enumerate(shapes):
        start = phoneme.seconds + index * length
        yield (
            slice(round(start * SHAPES_PER_SECOND), round((start + length) * SHAPES_PER_SECOND)),
            mouth,
        )


def _count(samples: Samples) -> int:
    return -(-len(samples) // SAMPLES_PER_SHAPE)


def _smooth(mouths: MouthShapes) -> MouthShapes:
    if len(mouths) < _SMOOTHING:
        return mouths
    window = np.hanning(_SMOOTHING + 2)[1:-1]
    window /= window.sum()
    columns = [np.convolve(column, window, mode="same") for column in mouths.T]
    return np.stack(columns, axis=1).astype(np.float32)


def _windows(samples: Samples) -> NDArray[np.float32]:
    padded = np.zeros(_count(samples) * SAMPLES_PER_SHAPE, np.float32)
    padded[: len(samples)] = samples
    return padded.reshape(-1, SAMPLES_PER_SHAPE)


def _loudness(samples: Samples) -> NDArray[np.float32]:
    """The loudness for each shape, from 0 to 1, relative to the loud parts of this sound."""
    power = np.sqrt(np.mean(_windows(samples) ** 2, axis=1))
    # A floor of 1 % of full scale, so that the noise of a silent recording does not move the lips.
    loud = max(float(np.percentile(power, 90)), 327.0) if len(power) else 1.0
    loudness: NDArray[np.float32] = np.clip(power / loud, 0.0, 1.0).astype(np.float32)
    return loudness


def _hiss(samples: Samples) -> NDArray[np.float32]:
    """The fraction of zero crossings in the sound of each shape: high for "s", low for "o"."""
    signs = _windows(samples) >= 0
    hiss: NDArray[np.float32] = np.mean(signs[:, 1:] != signs[:, :-1], axis=1, dtype=np.float32)
    return hiss
