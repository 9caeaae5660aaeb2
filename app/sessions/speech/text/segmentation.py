"""Cuts texts into chunks where a voice may pause: after a sentence, or else after a word."""

from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import Final

from unicode_segmentation_rs import graphemes, line_break_units

from app.sessions.speech.text.sentences import SentenceDetector, sentences

WINDOW: Final = 2048
"""Characters before the limit in which a place to cut is searched."""

_AHEAD: Final = 64
"""Characters after the limit that are examined: they show whether a sentence ended before it."""

_LONG: Final = 300
"""Characters after which a sentence is cut behind a number that may be its end, or an ordinal."""


def split(text: str, limit: int) -> list[str]:
    """Split a text into chunks of at most `limit` characters that join to it; see `chunk_end`."""
    chunks = []
    while len(text) > limit:
        end = chunk_end(text, limit)
        chunks.append(text[:end])
        text = text[end:]
    return [*chunks, text]


def chunk_end(text: str, limit: int) -> int:
    """The index at which the first chunk ends of a text longer than `limit` characters.

    The cut is after the last sentence that fits, or else after a word. Within a word it is between
    graphemes, unless a single grapheme is longer than the limit. The time taken is bounded,
    whatever the text and its length.
    """
    return sentence_end(text, limit) or _word_end(text, limit)


def sentence_end(text: str, limit: int) -> int:
    """The index at which the last sentence within `limit` characters ends; 0 without one."""
    window = _Window(text, limit)
    return window.last(accumulate(map(len, sentences(window.text)[:-1])))


def _word_end(text: str, limit: int) -> int:
    window = _Window(text, limit)
    spaces = (
        at
        for at, (one, other) in enumerate(pairwise(window.text), 1)
        if one.isspace() and not other.isspace()
    )
    units = accumulate(map(len, line_break_units(window.text)))
    return window.last(spaces) or window.last(units) or window.last(range(limit + 1)) or limit


class _Window:
    """The part of a text in which it may be cut; results are indices into the whole text."""

    def __init__(self, text: str, limit: int) -> None:
        self._start = max(0, limit - WINDOW)
        self._limit = limit - self._start
        self.text = text[self._start : limit + _AHEAD]
        self._whole = set(accumulate(map(len, graphemes(self.text, is_extended=True))))

    def last(self, ends: Iterable[int]) -> int:
        """The last end within the limit that is a grapheme boundary; 0 when there is none."""
        fitting = [end for end in ends if end <= self._limit]
        return max((self._start + end for end in self._whole.intersection(fitting)), default=0)


class SentenceBuffer:
    """Collects a text that arrives in parts; gives out sentences once they are complete."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._detector = SentenceDetector()
        self._begins_sentence = False

    def feed(self, text: str) -> list[str]:
        """Add a part of the text; return complete sentences of at most `limit` characters."""
        ended = self._detector.feed(text)
        rest, end = self._detector.rest, self._detector.doubtful_end
        if len(rest) > _LONG and end > _LONG // 2:
            ended.append(rest[:end])
            self._keep(rest[end:])
        parts = [part for sentence in ended for part in split(sentence, self._limit)]
        self._begins_sentence = self._begins_sentence or bool(ended)
        if len(self._detector.rest) > self._limit:
            *more, rest = split(self._detector.rest, self._limit)
            self._keep(rest)
            self._begins_sentence = False
            parts += more
        return parts

    def rest(self) -> str:
        """Return and remove the text that is kept, when no more text follows."""
        rest = self._detector.rest
        self._keep("")
        self._begins_sentence = True
        return rest

    def break_off(self, more: str) -> None:
        """Keep only what may still be said when `more`, which would follow, may not.

        Whole sentences are kept. When none is complete and no part of the first was given out yet,
        its whole words are kept.
        """
        text, more = self._detector.rest, more[:_AHEAD]
        limit = len(text) + len(more) - len(more.lstrip())
        end = sentence_end(text + more, limit)
        if not end and not self._begins_sentence:
            end = _word_end(text + more, limit)
        self._keep(text[:end])

    def _keep(self, text: str) -> None:
        self._detector = SentenceDetector()
        self._detector.feed(text)

    @property
    def seems_complete(self) -> bool:
        """Whether the text that is kept would be a whole sentence if another one began."""
        return self._detector.seems_ended
