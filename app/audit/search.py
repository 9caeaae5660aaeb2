"""Text search that ignores case and the encoding of accents."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby, permutations
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, and_, or_

_DOUBLE_S: Final = "ss"
_FOLDED_ALIKE: Final = {_DOUBLE_S: ("\u00df", "\u1e9e"), "\u03c3": ("\u03c2",)}
"""Spellings that are equal in another case, though not by `upper`: ß and SS, a final sigma."""

_MARKS_IN_ANY_ORDER: Final = 3
"""The most combining marks on one character that are searched for in every order."""

_SPECIAL: Final = re.compile(r"[!-/:-@[-`{-~]")
_ESCAPED: Final = r"\\\g<0>"


def mentions(column: Any, words: str) -> ColumnElement[bool]:
    """The SQL condition that a column contains these words.

    Databases fold the case of ASCII alone, and normalise nothing. Other characters are matched by
    a regular expression, which is tried only where the ASCII part was found.
    """
    chunks = list(_chunks(words))
    as_they_stand = column.icontains(words, autoescape=True)
    plain = ["".join(run) for is_plain, run in groupby(chunks, _is_plain) if is_plain]
    if plain == [words.lower()]:
        return cast(ColumnElement[bool], as_they_stand)
    rest = column.icontains(max(plain, key=len, default=""), autoescape=True)
    return or_(as_they_stand, and_(rest, column.regexp_match("".join(map(_pattern, chunks)))))


def _chunks(words: str) -> Iterator[str]:
    """The characters in lower case, each with its combining marks, composed; `ss` is one chunk."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", words).casefold())
    chunk = ""
    for character in folded:
        if chunk and (unicodedata.combining(character) or chunk + character == _DOUBLE_S):
            chunk += character
            continue
        if chunk:
            yield chunk
        chunk = character
    if chunk:
        yield chunk


def _is_plain(chunk: str) -> bool:
    """Whether a plain SQL comparison finds every spelling of a chunk."""
    return chunk != _DOUBLE_S and (chunk.isascii() or len(_spellings(chunk)) == 1)


def _spellings(chunk: str) -> Sequence[str]:
    alike = (chunk, *_FOLDED_ALIKE.get(chunk, ()))
    cases = [case for one in alike for case in (one, one.upper(), one.title())]
    return list(dict.fromkeys(form for case in cases for form in _forms(case)))


def _forms(chunk: str) -> Iterator[str]:
    """A chunk in each form of Unicode: composed, decomposed and partly composed."""
    yield unicodedata.normalize("NFC", chunk)
    apart = unicodedata.normalize("NFD", chunk)
    yield apart
    base, marks = apart[:1], apart[1:]
    if 1 < len(marks) <= _MARKS_IN_ANY_ORDER and all(map(unicodedata.combining, marks)):
        for order in map("".join, permutations(marks)):
            for composed in range(len(order) + 1):
                yield unicodedata.normalize("NFC", base + order[:composed]) + order[composed:]


def _pattern(chunk: str) -> str:
    """A regular expression for every spelling of a chunk, as Postgres and Python both read it."""
    return f"(?:{'|'.join(_SPECIAL.sub(_ESCAPED, one) for one in _spellings(chunk))})"
