"""Cuts texts where a voice may pause: behind a sentence, else behind a word."""

from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import Final

from unicode_segmentation_rs import graphemes, line_break_units

from app.sessions.speech.text.sentences import SentenceEnds, sentences

WINDOW: Final = 2048
"""Characters before the limit among which a place to cut is looked for."""

_AHEAD: Final = 64
"""Characters behind the limit that are looked at: what follows tells whether a sentence ended."""


def split(text: str, limit: int) -> list[str]:
    """Chunks of at most `limit` characters that join to `text`; see `chunk_end`."""
    chunks = []
    while len(text) > limit:
        end = chunk_end(text, limit)
        chunks.append(text[:end])
        text = text[end:]
    return [*chunks, text]


def chunk_end(text: str, limit: int) -> int:
    """Where the first chunk of at most `limit` characters ends.

    That is behind its last sentence. Where not one fits it is behind a word, and within one only
    between what readers take for characters (graphemes), unless one of those alone is too long.
    What it costs depends on neither the text nor its length.
    """
    if len(text) <= limit:
        return len(text)
    return sentence_end(text, limit) or _word_end(text, limit)


def sentence_end(text: str, limit: int) -> int:
    """Where the last sentence that fits ends; 0 when none does."""
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
    """The part of a text in which it may be cut; gives places as those of the whole text."""

    def __init__(self, text: str, limit: int) -> None:
        self._start = max(0, limit - WINDOW)
        self._limit = limit - self._start
        self.text = text[self._start : limit + _AHEAD]
        self._whole = set(accumulate(map(len, graphemes(self.text, is_extended=True))))

    def last(self, ends: Iterable[int]) -> int:
        """The last end that keeps the limit and cuts no grapheme; 0 when there is none."""
        fitting = [end for end in ends if end <= self._limit]
        return max((self._start + end for end in self._whole.intersection(fitting)), default=0)


class Sentences:
    """Sentences out of a text that comes in pieces; the last one is kept until more is known."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ends = SentenceEnds()
        self._begins_sentence = False

    def feed(self, text: str) -> list[str]:
        """The sentences that are complete now, each at most `limit` characters."""
        ended = self._ends.feed(text)
        parts = [part for sentence in ended for part in split(sentence, self._limit)]
        self._begins_sentence = self._begins_sentence or bool(ended)
        if len(self._ends.rest) > self._limit:
            *more, rest = split(self._ends.rest, self._limit)
            self._keep(rest)
            self._begins_sentence = False
            parts += more
        return parts

    def rest(self) -> str:
        """What was kept, which is the end of it."""
        rest = self._ends.rest
        self._keep("")
        self._begins_sentence = True
        return rest

    def break_off(self, more: str) -> None:
        """Keep only what may be said if `more` can't be.

        Those are whole sentences, and of one of which nothing was said or the beginning was, whole
        words.
        """
        text, more = self._ends.rest, more[:_AHEAD]
        limit = len(text) + len(more) - len(more.lstrip())
        end = sentence_end(text + more, limit)
        if not end and not self._begins_sentence:
            end = _word_end(text + more, limit)
        self._keep(text[:end])

    def _keep(self, text: str) -> None:
        self._ends = SentenceEnds()
        self._ends.feed(text)

    @property
    def seems_complete(self) -> bool:
        """Whether what is kept would be a whole sentence if another began."""
        return self._ends.seems_ended
