"""Words as people search for them: in any case, and however their accents are encoded."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby, permutations
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, and_, or_

_DOUBLE_S: Final = "ss"
_FOLDED_ALIKE: Final = {_DOUBLE_S: ("\u00df", "\u1e9e"), "\u03c3": ("\u03c2",)}
"""What is the same in another case, and not by `upper`: straße and STRASSE, a sigma at an end."""

_MARKS_IN_ANY_ORDER: Final = 3
"""Marks on one character that may come in another order than the normal one."""

_SPECIAL: Final = re.compile(r"[!-/:-@[-`{-~]")
_ESCAPED: Final = r"\\\g<0>"


def mentions(column: Any, words: str) -> ColumnElement[bool]:
    """The condition that a text has these words.

    A database folds ASCII alone for certain, and normalises nothing. What it can't be asked for as
    it stands is a regular expression, asked for where the rest has been found.
    """
    chunks = list(_chunks(words))
    as_they_stand = column.icontains(words, autoescape=True)
    plain = ["".join(run) for is_plain, run in groupby(chunks, _is_plain) if is_plain]
    if plain == [words.lower()]:
        return cast(ColumnElement[bool], as_they_stand)
    rest = column.icontains(max(plain, key=len, default=""), autoescape=True)
    return or_(as_they_stand, and_(rest, column.regexp_match("".join(map(_pattern, chunks)))))


def _chunks(words: str) -> Iterator[str]:
    """Each character in lower case with the marks on it, composed where that can be; or `ss`."""
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
    """Whether a database finds it in every spelling."""
    return chunk != _DOUBLE_S and (chunk.isascii() or len(_spellings(chunk)) == 1)


def _spellings(chunk: str) -> Sequence[str]:
    alike = (chunk, *_FOLDED_ALIKE.get(chunk, ()))
    cases = [case for one in alike for case in (one, one.upper(), one.title())]
    return list(dict.fromkeys(form for case in cases for form in _forms(case)))


def _forms(chunk: str) -> Iterator[str]:
    """Composed, apart, and as far in between as marks in some order can be."""
    yield unicodedata.normalize("NFC", chunk)
    apart = unicodedata.normalize("NFD", chunk)
    yield apart
    base, marks = apart[:1], apart[1:]
    if 1 < len(marks) <= _MARKS_IN_ANY_ORDER and all(map(unicodedata.combining, marks)):
        for order in map("".join, permutations(marks)):
            for composed in range(len(order) + 1):
                yield unicodedata.normalize("NFC", base + order[:composed]) + order[composed:]


def _pattern(chunk: str) -> str:
    """The piece in every spelling, as Postgres and Python both read a regular expression."""
    return f"(?:{'|'.join(_SPECIAL.sub(_ESCAPED, one) for one in _spellings(chunk))})"
