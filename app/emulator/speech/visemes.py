# ruff: noqa: RUF001 - letters of the phonetic alphabet are meant, however Latin they look
"""How a mouth looks while it makes a sound.

A mouth is five numbers, so that one shape can glide into the next:

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
"""Samples a second of everything that is sent: Opus' own rate."""

MOUTH_RATE: Final = 100
"""Mouths in one second of sound."""

SAMPLES_PER_MOUTH: Final = SAMPLE_RATE // MOUTH_RATE

Samples: TypeAlias = NDArray[np.int16]
"""Mono sound at `SAMPLE_RATE`."""

Mouths: TypeAlias = NDArray[np.float32]
"""One row of five numbers for each hundredth of a second."""


class Mouth(NamedTuple):
    """One shape of the mouth; see the module for what the numbers mean."""

    opening: float = 0.0
    spread: float = 0.0
    teeth: float = 0.0
    tongue: float = 0.0
    tuck: float = 0.0


REST: Final = Mouth()

_SHAPES: Final[Sequence[tuple[str, Mouth]]] = (
    ("aɐɑæ", Mouth(0.95, 0.25, 0.5)),
    ("ɒɔ", Mouth(0.8, -0.45, 0.15)),
    ("oɤ", Mouth(0.6, -0.75)),
    ("uʊɯyʏ", Mouth(0.3, -1.0)),
    ("w", Mouth(0.16, -1.0)),
    ("øœɵ", Mouth(0.5, -0.7, 0.1)),
    ("eɛ", Mouth(0.55, 0.55, 0.6, 0.2)),
    ("iɪ", Mouth(0.32, 0.9, 0.8, 0.25)),
    ("j", Mouth(0.24, 0.7, 0.7, 0.3)),
    ("əɜɘɚɝɨʉʌ", Mouth(0.45, 0.05, 0.4, 0.1)),
    ("mpbɱ", Mouth(tuck=1.0)),
    ("fvɸβʋ", Mouth(0.14, 0.1, 1.0, 0.0, 0.8)),
    ("θð", Mouth(0.24, 0.1, 0.8, 1.0)),
    ("tdnlɾɫɬɭɖʈɳ", Mouth(0.27, 0.15, 0.8, 0.7)),
    ("szɕʑ", Mouth(0.16, 0.5, 1.0)),
    ("ʃʒ", Mouth(0.24, -0.6, 1.0)),
    ("rɹɻʁʀ", Mouth(0.27, -0.45, 0.4, 0.3)),
    ("kgɡŋxɣqhɦcɟɲçʔ", Mouth(0.32, 0.1, 0.4)),
)

_GLIDE: Final = 9
"""Hundredths of a second over which one shape glides into the next."""

_VOWELS: Final = frozenset("aɐɑæɒɔoɤuʊɯyʏøœɵeɛiɪəɜɘɚɝɨʉʌ")


class Phoneme(NamedTuple):
    """A sound in the International Phonetic Alphabet, and when it begins."""

    seconds: float
    ipa: str


def shapes_of(ipa: str) -> list[Mouth]:
    """Return the shapes of one phoneme in order: two for a diphthong, none for a pause."""
    by_letter = {letter: mouth for letters, mouth in _SHAPES for letter in letters}
    letters = [letter for letter in ipa if letter in by_letter]
    if all(letter in _VOWELS for letter in letters):
        return [by_letter[letter] for letter in letters]
    return [by_letter[letter] for letter in letters[:1]]


def mouths_of_phonemes(phonemes: Sequence[Phoneme], samples: Samples) -> Mouths:
    """Return the mouths that speak `phonemes`, opened as far as the sound is loud."""
    mouths = np.tile(np.array(REST, np.float32), (_count(samples), 1))
    ends = [phoneme.seconds for phoneme in phonemes[1:]] + [len(samples) / SAMPLE_RATE]
    for phoneme, end in zip(phonemes, ends, strict=True):
        for part, mouth in _parts(phoneme, end):
            mouths[part] = mouth
    mouths = _glide(mouths)
    mouths[:, 0] *= 0.45 + 0.55 * _loudness(samples)
    return mouths


def mouths_of_sound(samples: Samples) -> Mouths:
    """Return mouths for a recording whose words are unknown, from its loudness and its hiss."""
    mouths = np.zeros((_count(samples), len(Mouth._fields)), np.float32)
    loudness, hiss = _loudness(samples), _hiss(samples)
    voiced = np.clip(1.5 - 5.0 * hiss, 0.25, 1.0)
    mouths[:, 0] = loudness**0.8 * voiced
    mouths[:, 1] = np.clip(12.0 * (hiss - 0.08), -0.7, 0.7) * np.minimum(1.0, 4.0 * loudness)
    mouths[:, 2] = np.clip(0.3 + 2.0 * hiss, 0.0, 1.0) * np.minimum(1.0, 4.0 * loudness)
    return _glide(mouths)


def _parts(phoneme: Phoneme, end: float) -> Iterable[tuple[slice, Mouth]]:
    shapes = shapes_of(phoneme.ipa)
    length = (end - phoneme.seconds) / max(1, len(shapes))
    for index, mouth in enumerate(shapes):
        start = phoneme.seconds + index * length
        yield slice(round(start * MOUTH_RATE), round((start + length) * MOUTH_RATE)), mouth


def _count(samples: Samples) -> int:
    return -(-len(samples) // SAMPLES_PER_MOUTH)


def _glide(mouths: Mouths) -> Mouths:
    if len(mouths) < _GLIDE:
        return mouths
    window = np.hanning(_GLIDE + 2)[1:-1]
    window /= window.sum()
    columns = [np.convolve(column, window, mode="same") for column in mouths.T]
    return np.stack(columns, axis=1).astype(np.float32)


def _windows(samples: Samples) -> NDArray[np.float32]:
    padded = np.zeros(_count(samples) * SAMPLES_PER_MOUTH, np.float32)
    padded[: len(samples)] = samples
    return padded.reshape(-1, SAMPLES_PER_MOUTH)


def _loudness(samples: Samples) -> NDArray[np.float32]:
    """Return 0 to 1 for each mouth, relative to the loud parts of this sound."""
    power = np.sqrt(np.mean(_windows(samples) ** 2, axis=1))
    # A floor of one percent of full scale keeps the noise of a silent recording from moving lips.
    loud = max(float(np.percentile(power, 90)), 327.0) if len(power) else 1.0
    loudness: NDArray[np.float32] = np.clip(power / loud, 0.0, 1.0).astype(np.float32)
    return loudness


def _hiss(samples: Samples) -> NDArray[np.float32]:
    """Return the share of zero crossings in each mouth's sound: high for "s", low for "o"."""
    signs = _windows(samples) >= 0
    hiss: NDArray[np.float32] = np.mean(signs[:, 1:] != signs[:, :-1], axis=1, dtype=np.float32)
    return hiss
