"""How long a text takes to be said, as long as nobody has listened."""

import unicodedata
from typing import Final

SECONDS_PER_CHARACTER: Final = 1 / 15
"""Of an alphabet; about 165 words a minute in English."""

SECONDS_PER_SYLLABLE: Final = 1 / 5
"""Of what is written wide: a Chinese character, a Japanese or Korean syllable."""

SECONDS_PER_DIGIT: Final = 1 / 4
LEAST_SECONDS: Final = 0.3

SLOWEST: Final = 2.0
FASTEST: Final = 0.5
"""How far a voice may be from what is assumed, as a factor of the time it takes."""


def seconds_to_say(text: str) -> float:
    """A guess, by the script; good to a third or so."""
    return max(LEAST_SECONDS, sum(map(_seconds, text)))


def _seconds(character: str) -> float:
    if character.isdecimal():
        return SECONDS_PER_DIGIT
    if unicodedata.category(character)[0] in "MC":
        return 0  # a mark is said with its letter
    wide = unicodedata.east_asian_width(character) in {"W", "F"}
    return SECONDS_PER_SYLLABLE if wide else SECONDS_PER_CHARACTER


class Pace:
    """How fast one session's voice turned out to speak; 2.0 takes twice as long as assumed."""

    def __init__(self) -> None:
        self._factor = 1.0

    def seconds(self, text: str) -> float:
        """How long a text should take in this voice."""
        return seconds_to_say(text) * self._factor

    def learn(self, assumed: float, took: float) -> None:
        """What was thought to take `assumed` seconds at this pace was heard to end after `took`."""
        factor = self._factor * took / assumed
        self._factor = min(SLOWEST, max(FASTEST, (self._factor + factor) / 2))
