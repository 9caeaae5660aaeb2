"""Estimates how long a text takes to be said, and corrects the estimate by what players hear."""

import unicodedata
from typing import Final

SECONDS_PER_CHARACTER: Final = 1 / 15
"""Seconds for a letter of an alphabet; about 165 words a minute in English."""

SECONDS_PER_SYLLABLE: Final = 1 / 5
"""Seconds for a wide character: a Chinese character, a Japanese or Korean syllable."""

SECONDS_PER_DIGIT: Final = 1 / 4
"""Seconds for a digit, which is said as a word."""
LEAST_SECONDS: Final = 0.3
"""Seconds that the shortest text takes."""

SLOWEST: Final = 2.0
FASTEST: Final = 0.5
"""Bounds of `SpeakingRate`'s factor; above 1 a voice takes longer than estimated."""


def seconds_to_say(text: str) -> float:
    """Estimate the seconds that a text takes, by its script; accurate to about a third."""
    return max(LEAST_SECONDS, sum(map(_seconds, text)))


def _seconds(character: str) -> float:
    if character.isdecimal():
        return SECONDS_PER_DIGIT
    if unicodedata.category(character)[0] in "MC":
        return 0  # a combining mark is said with its letter
    wide = unicodedata.east_asian_width(character) in {"W", "F"}
    return SECONDS_PER_SYLLABLE if wide else SECONDS_PER_CHARACTER


class SpeakingRate:
    """The speaking rate of one session's voice: a factor of the time that is estimated."""

    def __init__(self) -> None:
        self._factor = 1.0

    def seconds(self, text: str) -> float:
        """Estimate the seconds that a text takes at this rate."""
        return seconds_to_say(text) * self._factor

    def learn(self, assumed: float, took: float) -> None:
        """Adapt the rate after speech that was estimated to take `assumed` seconds took `took`."""
        factor = self._factor * took / assumed
        self._factor = min(SLOWEST, max(FASTEST, (self._factor + factor) / 2))
