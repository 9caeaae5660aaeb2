"""Cuts texts where a voice may pause: at the sentence ends of Unicode (UAX #29), in all scripts."""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from unicode_segmentation_rs import graphemes, line_break_units, unicode_sentences

_TITLE: Final = re.compile(r"(?<!\w)([^\W\d_]|[B-DF-HJ-NP-TV-XZ][b-df-hj-np-tv-xz]{1,2})\.\s*\Z")
"""An initial, or a short word without a vowel: `J.`, `Dr.`, `Mrs.`. What ends so may go on."""


def split(text: str, limit: int) -> list[str]:
    """Chunks of at most `limit` characters that join to `text`, as few as its sentences allow.

    A sentence that is too long is cut between words, and a word between what readers take for
    characters (graphemes); only one of those that is too long by itself is cut in two.
    """
    if len(text) <= limit:
        return [text]
    ends = _Ends(text)
    return list(_packed(_fitting(sentences(text), ends, limit), limit))


def sentences(text: str) -> list[str]:
    """The sentences of a text, which join to it; what has no letter or digit goes with the last."""
    found: list[str] = []
    begun, at = 0, 0
    for sentence in unicode_sentences(text):
        at = text.index(sentence, at)
        if at > begun and found:
            found[-1] += text[begun:at]
            begun = at
        at += len(sentence)
        found.append(text[begun:at])
        begun = at
    if begun < len(text):
        found = [*found[:-1], (found[-1] if found else "") + text[begun:]]
    return found


class Sentences:
    """Sentences out of a text that comes in pieces; the last one is kept until more is known."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        """The sentences that are complete now, each at most `limit` characters."""
        self._rest += text
        *complete, rest = _whole(sentences(self._rest)) or [""]
        if len(rest) > self._limit:
            *more, rest = split(rest, self._limit)
            complete += more
        self._rest = rest
        return [part for sentence in complete for part in split(sentence, self._limit)]

    def rest(self) -> str:
        """What was kept, which is the end of it."""
        rest, self._rest = self._rest, ""
        return rest

    @property
    def seems_complete(self) -> bool:
        """Whether what is kept would be a whole sentence if another began."""
        kept = self._rest.rstrip()
        return bool(kept) and sentences(f"{kept} A")[-1] == "A"


class _Ends:
    """Where graphemes end in a text."""

    def __init__(self, text: str) -> None:
        self._ends = set(accumulate(map(len, graphemes(text, is_extended=True))))

    def joined(self, parts: Sequence[str], start: int) -> Iterator[str]:
        """The parts from `start` on, of which those that cut a grapheme are joined."""
        part = ""
        for piece in parts:
            part += piece
            if start + len(part) in self._ends:
                yield part
                start += len(part)
                part = ""
        if part:
            yield part


def _fitting(parts: Sequence[str], ends: _Ends, limit: int) -> Iterator[str]:
    """The parts, each cut further until it is not longer than `limit`."""
    start = 0
    for sentence in ends.joined(parts, 0):
        if len(sentence) <= limit:
            yield sentence
        else:
            for word in ends.joined(line_break_units(sentence), start):
                yield from [word] if len(word) <= limit else _cut(word, limit)
        start += len(sentence)


def _cut(word: str, limit: int) -> Iterator[str]:
    for grapheme in graphemes(word, is_extended=True):
        for start in range(0, len(grapheme), limit):
            yield grapheme[start : start + limit]


def _packed(parts: Iterator[str], limit: int) -> Iterator[str]:
    """As few chunks as the parts make."""
    chunk = ""
    for part in parts:
        if chunk and len(chunk) + len(part) > limit:
            yield chunk
            chunk = ""
        chunk += part
    if chunk:
        yield chunk


def _whole(found: Sequence[str]) -> list[str]:
    """Sentences, of which those that only seem to end are joined to the next."""
    joined: list[str] = []
    for sentence in found:
        if joined and _TITLE.search(joined[-1]):
            joined[-1] += sentence
        else:
            joined.append(sentence)
    return joined
